/** An intruder towards Nexuses and Repo Depots: it registers as other sleds, and asks for certificates and artifacts. */
import type { SledAgentInfo } from '../../src/api/internal-api.ts';
import { ArtifactHash, asGeneration } from '../../src/core/ids.ts';
import { errorCodeOf } from '../../src/lib/errors.ts';
import { type Callee, call, type Incoming } from '../network/call.ts';
import { requestContext } from '../network/request-context.ts';
import type { SledEndpoint } from '../network/sled-link.ts';
import { pick, spread } from '../time/streams.ts';
import type { Intruder } from './intruder.ts';
import type { SimSled, World } from './world.ts';

const LEAST_PAUSE_MS = 500;
const MOST_PAUSE_MS = 30_000;
const PATIENCE_MS = 20_000;

/** @param own the sled whose key it has: in that name it says nothing to a Nexus, since that costs this sled alone */
export const impersonate = (world: World, intruder: Intruder, own: SimSled | undefined): void => {
  const { rng, process } = intruder;
  const again = (): void => {
    act(world, intruder, own);
    process.after(spread(rng, LEAST_PAUSE_MS, MOST_PAUSE_MS), again);
  };
  process.after(spread(rng, 1, MOST_PAUSE_MS), again);
};

const act = (world: World, intruder: Intruder, own: SimSled | undefined): void => {
  const { rng } = intruder;
  const others = world.sleds.filter(sled => sled !== own && sled.plan.id !== own?.plan.id);
  if (others.length === 0) return;
  const victim = pick(rng, others);
  const nexus = pick(rng, world.nexuses).machine;
  const which = { params: { sled_id: victim.plan.id }, query: {} } as const;
  switch (rng.below(3)) {
    case 0:
      ask(world, intruder, nexus, `registers as ${victim.plan.serial}`, incoming =>
        incoming.endpoint.internal.sledAgentPut({
          ...requestContext(incoming),
          ...which,
          body: registrationOf(victim),
        }),
      );
      break;
    case 1:
      ask(world, intruder, nexus, `reads the registration of ${victim.plan.serial}`, incoming =>
        incoming.endpoint.internal.sledAgentGet({ ...requestContext(incoming), ...which, body: undefined }),
      );
      break;
    default:
      ask(world, intruder, victim.machine, 'reads an artifact', incoming =>
        readOne(incoming, pick(rng, [...world.database.snapshot().files.keys(), NOBODYS])),
      );
  }
};

const NOBODYS = ArtifactHash.parse('ab'.repeat(32));

const readOne = async (incoming: Incoming<SledEndpoint>, sha256: ArtifactHash): Promise<void> => {
  const request = { ...requestContext(incoming), params: { sha256 }, query: {}, body: undefined };
  await using _file = await incoming.endpoint.depot.artifactGetBySha256(request);
};

const ask = <E, T>(
  { network, trace }: World,
  { machine, process, passport }: Intruder,
  to: Callee<E>,
  what: string,
  work: (incoming: Incoming<E>) => Promise<T>,
): void => {
  const own = passport();
  const identity = own === undefined ? undefined : { presents: () => own, faultOf: () => undefined };
  const options = { signal: process.clock.timeout(PATIENCE_MS), isOnce: true, expected: undefined };
  call(network, { machine, process, identity }, to, options, work).then(
    () => {
      trace.reached('a hostile call was served');
      trace.say(machine, `hostile: ${what} at ${to.name}`);
    },
    error => {
      const code = errorCodeOf(error);
      trace.say(machine, `hostile: ${what} at ${to.name}, and is refused: ${code}`);
      if (code === 'UNAUTHORIZED' || code === 'FORBIDDEN')
        trace.reached('a hostile call was refused by its identity');
    },
  );
};

/** With an address of its own, above every registration of the sled itself. */
const registrationOf = ({ plan }: SimSled): SledAgentInfo => ({
  sa_address: 'thief:12345',
  repo_depot_port: 12_348 as SledAgentInfo['repo_depot_port'],
  role: 'gimlet',
  baseboard: { serial: plan.serial, part: 'simulated', revision: 0 } as SledAgentInfo['baseboard'],
  usable_hardware_threads: 1,
  usable_physical_ram: 1,
  reservoir_size: 0,
  cpu_family: 'unknown',
  generation: asGeneration(Number.MAX_SAFE_INTEGER),
  decommissioned: false,
});
