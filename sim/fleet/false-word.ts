/**
 * What a Nexus that was taken over tells sleds in the place of a person: statements, and chains of trust roots.
 *
 *     its own key, under its own name or the admin's ─┐
 *     a real statement, changed or cut                ├─▶ sleds
 *     a real statement, of other points and times     │
 *     roots of its own, alone or after the real one  ─┘
 *
 * FWD1. It plants by what it said: the roots, the bundles and the points are those that its configs have.
 */
import type { ArtifactConfigBody } from '../../src/api/sled-agent-api.ts';
import { digestInput } from '../../src/core/artifact-config.ts';
import { asGeneration, type Point, pointText } from '../../src/core/ids.ts';
import type { Rng } from '../../src/core/rng.ts';
import type { SignedStatement, StatementContent } from '../../src/core/statement.ts';
import { signStatement } from '../../src/identity/admin-key.ts';
import { rootDigestOf } from '../../src/tuf/root-digest.ts';
import { FALSE_ADMIN_KEY } from '../identity/admin.ts';
import { FLEET } from '../identity/passport.ts';
import { requestContext } from '../network/request-context.ts';
import { EPOCH_MS } from '../time/process.ts';
import { idFrom, pick } from '../time/streams.ts';
import { FALSE_ROOTS, FORGED_VERSION } from './forged-bundles.ts';
import type { Ask } from './hostile-call.ts';
import { sha256Of } from './sha256.ts';
import type { World } from './world.ts';

type Speaker = {
  readonly world: World;
  readonly rng: Rng;
  readonly planted: readonly Uint8Array[];
  readonly ask: Ask;
  /** The config of the sled, as far as it is known. */
  readonly known: ArtifactConfigBody | undefined;
  /** Real statements that it has read from sleds. */
  readonly heard: Map<string, SignedStatement>;
};

/** What it would take to plant on this sled. */
export const sayAllOfIt = async (speaker: Omit<Speaker, 'heard'>): Promise<void> => {
  await say(speaker, 'of its own key', await ownStatements(speaker));
  await tellRoots(speaker);
};

export const speakForAPerson = async (speaker: Speaker): Promise<void> => {
  const { rng } = speaker;
  await listen(speaker);
  const real = [...speaker.heard.values()];
  switch (rng.below(real.length > 0 ? 4 : 2)) {
    case 0:
      return say(speaker, 'of its own key', await ownStatements(speaker));
    case 1:
      return tellRoots(speaker);
    case 2:
      return say(
        speaker,
        'changed',
        real.map(signed => changed(speaker, signed)),
      );
    default:
      return say(speaker, 'of a person', real);
  }
};

const listen = async ({ ask, heard }: Speaker): Promise<void> => {
  const told = await ask('reads the statements', incoming =>
    incoming.endpoint.agent.statementsGet({
      ...requestContext(incoming),
      params: {},
      query: {},
      body: undefined,
    }),
  );
  for (const signed of told?.statements ?? []) heard.set(signed.statement, signed);
};

const say = async (
  { world, ask }: Pick<Speaker, 'world' | 'ask'>,
  which: string,
  statements: readonly SignedStatement[],
): Promise<void> => {
  const answer = await ask(`sends ${statements.length} statements ${which}`, incoming =>
    incoming.endpoint.agent.statementsPut({
      ...requestContext(incoming),
      params: {},
      query: {},
      body: { statements: [...statements] },
    }),
  );
  if (answer === undefined || statements.length === 0) return;
  if (answer.refused.length > 0) world.trace.reached('a false statement was refused');
  else world.trace.reached('a real statement was replayed');
};

/** Everything that the sled would need to hear, about what it has and what the intruder plants. */
const ownStatements = async (speaker: Omit<Speaker, 'heard'>): Promise<SignedStatement[]> => {
  const { world, rng, planted } = speaker;
  const point = pointOf(speaker);
  const bundles = await Promise.all(planted.map(bytes => world.shelf.forge(bytes, rng.below(2) === 0)));
  const contents: readonly StatementContent[] = [
    { kind: 'allow_deletion', point },
    { kind: 'accept_points', points: [point] },
    ...FALSE_ROOTS.map(root => ({ kind: 'trust_root', rootSha256: rootDigestOf(root) }) as const),
    { kind: 'distrust_root', rootSha256: rootDigestOf(world.shelf.trustRoot) },
    ...bundles.map(
      ({ sha256 }) => ({ kind: 'exempt_release', systemVersion: FORGED_VERSION, bundle: sha256 }) as const,
    ),
  ];
  const time = new Date(EPOCH_MS + world.scheduler.nowMs()).toISOString();
  const names = [FALSE_ADMIN_KEY.digest, ...world.admin.pinned.map(({ digest }) => digest)];
  const key = pick(rng, names);
  return contents.map(content => ({
    ...signStatement({ ...content, fleet: FLEET, id: idFrom(rng), time }, FALSE_ADMIN_KEY),
    key,
  }));
};

const pointOf = ({ known }: Pick<Speaker, 'known'>): Point => ({
  generation: asGeneration(known?.generation ?? 1),
  digest: sha256Of(Buffer.from(digestInput(known?.artifacts ?? []))),
});

/** The signature of a person, under another point, and under another time. */
const changed = (speaker: Speaker, signed: SignedStatement): SignedStatement => {
  const said = JSON.parse(signed.statement);
  const point = pointText(pointOf(speaker));
  if ('point' in said) said.point = point;
  else if ('points' in said) said.points = [point];
  else said.time = new Date(Date.parse(said.time) + HOUR_MS).toISOString();
  return { ...signed, statement: JSON.stringify(said) };
};
const HOUR_MS = 3_600_000;

/** A chain of its own; a root after that of the fleet; or a later root alone. */
const tellRoots = async ({ world, rng, ask }: Omit<Speaker, 'heard'>): Promise<void> => {
  const [first, second] = FALSE_ROOTS.map(textOf);
  const real = textOf(world.shelf.trustRoot);
  const chain = pick(rng, [[first], [real, second], [second]]).filter(text => text !== undefined);
  await ask('tells roots of its own', incoming =>
    incoming.endpoint.agent.trustRootsPut({
      ...requestContext(incoming),
      params: {},
      query: {},
      body: { chains: [chain] },
    }),
  );
};

const textOf = (root: Uint8Array): string => Buffer.from(root).toString('utf8');
