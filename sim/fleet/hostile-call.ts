/** One call of a hostile caller to a sled: with what it presents, and with whatever it likes to say. */
import { errorCodeOf } from '../../src/lib/errors.ts';
import type { Passport } from '../identity/passport.ts';
import { call, type Incoming } from '../network/call.ts';
import type { SledEndpoint } from '../network/sled-link.ts';
import type { SimProcess } from '../time/process.ts';
import type { SimSled, World } from './world.ts';

export type HostileCaller = {
  /** The name that its messages come from. */
  readonly machine: string;
  readonly process: SimProcess;
  /** Undefined without a certificate. */
  readonly passport: () => Passport | undefined;
};

/** Resolves with undefined where it is refused. */
export type Ask = <T>(
  what: string,
  work: (incoming: Incoming<SledEndpoint>) => Promise<T>,
) => Promise<T | undefined>;

const PATIENCE_MS = 20_000;
/** Of a chain of trust roots that nobody of the fleet signed. */
const FALSE_CHAIN: ReadonlySet<string> = new Set(['UNTRUSTED_SIGNATURES', 'ROOT_CHAIN_BROKEN']);

export const askerOf = (
  { network, trace }: World,
  { machine, process, passport }: HostileCaller,
  sled: SimSled,
): Ask => {
  const own = passport();
  const identity = own === undefined ? undefined : { presents: () => own, faultOf: () => undefined };
  return async (what, work) => {
    const options = { signal: process.clock.timeout(PATIENCE_MS), isOnce: true, expected: undefined };
    try {
      const answer = await call(network, { machine, process, identity }, sled.machine, options, work);
      trace.reached('a hostile call was served');
      trace.say(machine, `hostile: ${what} of ${sled.plan.serial}`);
      return answer;
    } catch (error) {
      const code = errorCodeOf(error);
      trace.say(machine, `hostile: ${what} of ${sled.plan.serial}, and is refused: ${code}`);
      if (code === 'UNAUTHORIZED' || code === 'FORBIDDEN')
        trace.reached('a hostile call was refused by its identity');
      if (FALSE_CHAIN.has(code ?? '')) trace.reached('a false chain of trust roots was refused');
      return undefined;
    }
  };
};
