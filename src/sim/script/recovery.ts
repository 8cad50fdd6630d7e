/** The end of the faults: everything is mended but what stays broken, and operators do what the documents tell them. */
import type { SimSled } from '../fleet/world.ts';
import { FAIR_DATABASE } from '../fleet/database-weather.ts';
import { FAIR_DISKS } from '../fleet/disk-weather.ts';
import { ROOMY_BYTES } from '../machine/volume.ts';
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
      for (const sled of candidates.slice(0, Math.min(swarm.brokenForEver, candidates.length - world.minSledReplication))) {
        world.trace.say(sled.plan.serial, 'stays down');
        broken.add(sled);
        sled.machine.kill();
      }
    },
    help() {
      if (world.scheduler.nowMs() - helpedAtMs < HELP_EVERY_MS) return;
      helpedAtMs = world.scheduler.nowMs();
      uploadWhatIsLost(scene);
    },
  };
};

/** The remedy of a failed or blocked release: the same archive again. */
const uploadWhatIsLost = (scene: Scene): void => {
  const { world, operator, witness } = scene;
  const [nexus] = inServiceNexuses(scene);
  if (nexus === undefined) return;
  void operator
    .ask(nexus, async (services, incoming) =>
      services.operatorFleet.fleetStatus({
        requestId: '',
        headers: {},
        log: undefined as never,
        setHeader: () => undefined,
        signal: incoming.signal,
        params: {},
        query: {},
        body: undefined,
      }),
    )
    .then(status => {
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
