/**
 * Registration: the sled reports its addresses and its points to a Nexus. The answer has the floor, below which the sled
 * adopts no config (P5), and says which of these points the database has recorded (P13).
 *
 *     start, change, period ─▶ Nexus addresses in turn ─▶ 204 + headers ─▶ store.acceptFloor
 *                                        └─ none answers ─▶ back-off
 *
 * SR1. The registration's generation is the wall clock in milliseconds at the start of the process, and at
 *      least one above the one that Nexus has recorded. So it rises from start to start without a file, and a clock that
 *      was set back cannot make Nexus ignore a sled's new port for ever (S14).
 * SR2. A sled that waits for a floor deletes nothing and accepts nothing; so a store that begins to wait for one
 *      registers at once.
 * SR3. A refusal of Nexus is logged with its remedy, and the registration is tried again with back-off.
 * SR4. The next registration goes to the next Nexus: one that lies, or that others cannot hear, keeps the sled from the database for
 *      a period, and not for ever.
 * SR5. A sled without an identity may have a Nexus of another implementation, which sends no floor. If such a sled has no config on
 *      any dataset, it adopts the first one that it is offered; otherwise it waits. With an identity a missing floor is an error.
 * SR6. A sled that Nexuses list is in their database: while they do, only each tenth period brings a registration. Where the
 *      database has lost the sled nobody lists it, and it registers within a period.
 */
import { type internalApi, RECORDED_ADDRESS_DETAIL } from '../api/internal-api.ts';
import { asGeneration, type SledId } from '../core/ids.ts';
import type { Rng } from '../core/rng.ts';
import type { RegistrationAnswer, SledRegistration } from '../core/sled-registration.ts';
import type { ApiClient } from '../http/client.ts';
import { backoffMs } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import { errorRemedies } from '../lib/error-remedies.ts';
import { DepotError, errorCodeOf, findDepotError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { registrationBody } from '../sled-wire/registration.ts';
import { readAnswer } from '../sled-wire/registration-answer.ts';

export type NexusPeer = {
  readonly url: string;
  readonly client: Pick<ApiClient<typeof internalApi>, 'sledAgentGet' | 'sledAgentPut'>;
};

export type RegistrationDependencies = {
  readonly sledId: SledId;
  readonly peers: readonly NexusPeer[];
  /** Whether this sled speaks plain HTTP (SR5). */
  readonly isPlain: boolean;
  /** Why this sled waits for a floor, if it does. */
  readonly doubt: () => string | undefined;
  /** The present content of a registration. */
  readonly info: () => Omit<SledRegistration, 'generation'>;
  readonly acceptAnswer: (answer: RegistrationAnswer) => Promise<void>;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  /** Between successful registrations; and how long ago a Nexus may have listed this sled that is in touch. */
  readonly periodMs: number;
  /** Whether a Nexus has listed this sled within a period, and an answer would decide nothing here (SR6). */
  readonly isInTouch: () => boolean;
};

export type Registration = {
  /** Registers again and again; resolves when the signal aborts. */
  readonly run: (options: { signal: AbortSignal }) => Promise<void>;
  /** The content of the registration has changed: register now. */
  readonly changed: () => void;
};

const BACKOFF = { firstMs: 250, maxMs: 30_000 };
/** SR6 */
const MOST_PERIODS = 10;

export const createRegistration = (dependencies: RegistrationDependencies): Registration => {
  const { peers, clock, rng, log, periodMs } = dependencies;
  let generation: number | undefined;
  let failures = 0;
  let first = 0;
  let isChanged = false;
  let wake = new AbortController();

  /** Registers with one Nexus; SR1 says with which generation. */
  const registerWith = async ({ url, client }: NexusPeer, signal: AbortSignal): Promise<void> => {
    generation ??= await firstGeneration(client, dependencies, signal);
    const info = dependencies.info();
    const body = registrationBody({ ...info, generation: asGeneration(generation) });
    const { headers } = await client.sledAgentPut(
      { params: { sled_id: dependencies.sledId }, body },
      { signal },
    );
    const answer = readAnswer(headers, url) ?? answerWithoutFloor(dependencies, info, url);
    if (answer !== undefined) await dependencies.acceptAnswer(answer);
    log.info({ nexus: url, generation, floor: answer?.floor.generation }, 'registered with Nexus');
  };

  const registerAnywhere = async (signal: AbortSignal): Promise<boolean> => {
    const numbered = [...peers.entries()];
    for (const [at, peer] of [...numbered.slice(first), ...numbered.slice(0, first)]) {
      try {
        await registerWith(peer, signal);
        first = (at + 1) % peers.length; // SR4
        return true;
      } catch (error) {
        if (signal.aborted) return false;
        reportFailure(log, peer.url, error);
        if (errorCodeOf(error) === 'REGISTRATION_STALE' && isOwn(error, dependencies.info()))
          generation = undefined;
      }
    }
    return false;
  };

  const pause = async (ms: number, signal: AbortSignal): Promise<void> => {
    if (isChanged || signal.aborted) return;
    wake = new AbortController();
    await clock.sleep(ms, { signal: AbortSignal.any([signal, wake.signal]) }).catch(() => undefined);
  };

  const rest = async (signal: AbortSignal): Promise<void> => {
    for (let periods = 0; periods < MOST_PERIODS; periods += 1) {
      await pause(periodMs, signal);
      if (isChanged || signal.aborted || !dependencies.isInTouch()) return;
    }
  };

  return {
    async run({ signal }) {
      while (!signal.aborted) {
        if (isChanged && generation !== undefined) generation += 1;
        isChanged = false;
        const isRegistered = await registerAnywhere(signal);
        failures = isRegistered ? 0 : failures + 1;
        if (isRegistered) await rest(signal);
        else await pause(backoffMs(failures, BACKOFF, rng.next()), signal);
      }
    },
    changed() {
      isChanged = true;
      wake.abort();
    },
  };
};

/** SR5. @throws `PEER_BAD_ANSWER` */
const answerWithoutFloor = (
  { isPlain, doubt, log }: RegistrationDependencies,
  { heads = [] }: Pick<SledRegistration, 'heads'>,
  url: string,
): RegistrationAnswer | undefined => {
  if (!isPlain)
    throw new DepotError(
      'PEER_BAD_ANSWER',
      `${url} answered the registration without a generation floor, which every Nexus with an identity sends`,
    );
  if (heads.every(({ isKept }) => isKept)) return FLOOR_OF_NEW_SLED;
  const reason = doubt();
  if (reason !== undefined)
    log.warn(
      { nexus: url, reason },
      'this Nexus sends no floor, for which a sled with a config waits: bring its datasets back, or stop it and run tuf-depot sled-agent reset',
    );
  return undefined;
};

const FLOOR_OF_NEW_SLED: RegistrationAnswer = {
  floor: { generation: asGeneration(0), digest: undefined },
  verdicts: undefined,
};

/** SR3. */
const reportFailure = (log: Logger, nexus: string, error: unknown): void => {
  const refusal = findDepotError(error);
  const isRefusal = refusal !== undefined && refusal.detail.status !== undefined && refusal.status < 500;
  if (!isRefusal) {
    log.warn({ nexus, err: error }, 'registration with Nexus failed');
    return;
  }
  const { code } = refusal;
  log.error(
    { nexus, code, remedy: errorRemedies[code], err: error },
    'Nexus refuses the registration of this sled',
  );
};

/** The later registration has this sled's own address, so that one above it does no harm to another machine. */
const isOwn = (error: unknown, { agentAddress }: Pick<SledRegistration, 'agentAddress'>): boolean =>
  findDepotError(error)?.detail[RECORDED_ADDRESS_DETAIL] === agentAddress;

const firstGeneration = async (
  client: NexusPeer['client'],
  { sledId, clock }: RegistrationDependencies,
  signal: AbortSignal,
): Promise<number> => {
  try {
    const recorded = await client.sledAgentGet({ params: { sled_id: sledId } }, { signal });
    const next = recorded.generation + 1;
    // No agent has such a one: it will not be repeated, and then the clock's counts.
    return Number.isSafeInteger(next) ? Math.max(clock.nowMs(), next) : clock.nowMs();
  } catch (error) {
    // Other implementations have other answers for a sled that has not registered.
    const isUnknown = findDepotError(error)?.detail.status === 404;
    if (isUnknown || ['PEER_BAD_ANSWER', 'INVALID_REQUEST'].includes(errorCodeOf(error)))
      return clock.nowMs();
    throw error;
  }
};
