/** The end of the faults: everything is mended but what stays broken, and operators do what the documents tell them. */
import { asGeneration, SledId } from '../../core/ids.ts';
import { FAIR_DATABASE } from '../fleet/database-weather.ts';
import { FAIR_DISKS } from '../fleet/disk-weather.ts';
import type { SimSled } from '../fleet/world.ts';
import { ROOMY_BYTES } from '../machine/volume.ts';
import { requestContext } from '../network/sled-link.ts';
import { inServiceNexuses, inServiceSleds, type Scene } from './scene.ts';

const HELP_EVERY_MS = 60_000;

export type Recovery = {
  readonly broken: ReadonlySet<SimSled>;
  readonly mend: () => void;
  /** To be called again and again until the fleet is at rest. */
  readonly help: () => void;
};

export const createRecovery = (scene: Scene): Recovery => {
  const { world, swarm } = scene;
  const broken = new Set<SimSled>();
  let helpedAtMs = Number.NEGATIVE_INFINITY;
  return {
    broken,
    mend() {
      for (const undo of [...scene.undo]) undo();
      world.network.heal();
      Object.assign(world.databaseWeather, FAIR_DATABASE);
      Object.assign(world.diskWeather, FAIR_DISKS);
      for (const { machine, standing } of [...world.sleds, ...world.nexuses]) {
        machine.operationsLeft = undefined;
        for (const volume of machine.volumes.values()) volume.capacityBytes = ROOMY_BYTES;
        if (standing === 'in_service') {
          machine.process()?.resume();
          machine.start();
        }
      }
      const candidates = inServiceSleds(scene);
      for (const sled of candidates.slice(
        0,
        Math.min(swarm.brokenForEver, candidates.length - world.minSledReplication),
      )) {
        world.trace.say(sled.plan.serial, 'stays down');
        broken.add(sled);
        sled.machine.kill();
      }
    },
    help() {
      if (world.scheduler.nowMs() - helpedAtMs < HELP_EVERY_MS) return;
      helpedAtMs = world.scheduler.nowMs();
      uploadWhatIsLost(scene);
      void recoverGeneration(scene);
    },
  };
};

/** The remedy of sleds that have diverged: the generation is raised above what they claim. */
const recoverGeneration = async (scene: Scene): Promise<void> => {
  const { world, operator } = scene;
  const [nexus] = inServiceNexuses(scene);
  if (nexus === undefined) return;
  const look = (exclude: string | undefined) =>
    operator.ask(nexus, (services, incoming) =>
      services.operatorRecovery.generationRecoveryView({
        ...requestContext(incoming),
        params: {},
        query: { exclude_sleds: exclude },
        body: undefined,
      }),
    );
  const seen = await look(undefined);
  if (seen === undefined || seen.state === 'not_needed') return;
  // Who does not answer is looked after later.
  const silent = seen.sleds.filter(({ state }) => state === 'silent').map(({ sled_id }) => sled_id);
  const plan = silent.length === 0 ? seen : await look(silent.join(','));
  if (plan === undefined || plan.to === null) return;
  const { generation, to } = plan;
  const done = await operator.ask(nexus, (services, incoming) =>
    services.operatorRecovery.generationRecover({
      ...requestContext(incoming),
      params: {},
      query: {},
      body: {
        expected_generation: asGeneration(generation),
        to: asGeneration(to),
        exclude_sleds: silent.map(id => SledId.parse(id)),
        confirm_unknown_artifacts: true,
      },
    }),
  );
  if (done?.state !== 'done') return;
  world.trace.say('operator', `recovered the generation, from ${generation} to ${to}`);
  world.trace.reached('the generation was recovered');
};

/** A disk that is new, and was not there when its sled agent started, is taken in by the next start. */
const restartForDisks = (
  { world }: Scene,
  reasons: readonly { readonly code: string; readonly sled_id?: string | undefined }[],
): void => {
  for (const { code, sled_id } of reasons) {
    if (code !== 'DATASET_FAULT' && code !== 'SLED_REFUSES') continue;
    const sled = world.sleds.find(({ plan, standing }) => plan.id === sled_id && standing === 'in_service');
    if (sled === undefined || !sled.machine.isUp()) continue;
    world.trace.say('operator', `restarts ${sled.plan.serial}`);
    sled.machine.kill();
    sled.machine.start();
  }
};

/** The remedy of a failed or blocked release: the same archive again. */
const uploadWhatIsLost = (scene: Scene): void => {
  const { world, operator, witness } = scene;
  const [nexus] = inServiceNexuses(scene);
  if (nexus === undefined) return;
  void operator
    .ask(nexus, async (services, incoming) =>
      services.operatorFleet.fleetStatus({
        ...requestContext(incoming),
        params: {},
        query: {},
        body: undefined,
      }),
    )
    .then(status => {
      restartForDisks(scene, status?.reasons ?? []);
      for (const { system_version, state } of status?.releases ?? []) {
        if (state !== 'failed' && state !== 'blocked') continue;
        const release = scene.releases.find(({ systemVersion }) => systemVersion === system_version);
        if (release === undefined) continue;
        if (state === 'failed') {
          world.trace.reached('a release was failed');
          if ([...release.artifacts.keys()].every(sha256 => witness.holdings.isRecoverable(sha256)))
            world.trace.say('#', `${system_version} is failed, and every artifact of it could be had`);
        }
        operator.upload(release, nexus);
      }
    });
};
