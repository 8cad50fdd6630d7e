/** The list that a sled would send to a Nexus which has none of it. */
import { NOT_MODIFIED } from '../../src/http/handlers.ts';
import type { RunningSled } from './sled-machine.ts';

type Agent = RunningSled['agent'];
type Request = Parameters<Agent['artifactList']>[0];
type Answer = Awaited<ReturnType<Agent['artifactList']>>;

export const wholeList = async (
  agent: Agent,
  request: Request,
): Promise<Exclude<Answer, typeof NOT_MODIFIED>> => {
  const answer = await agent.artifactList({ ...request, headers: {} });
  if (answer === NOT_MODIFIED) throw new Error('nothing was named that could be still right');
  return answer;
};
