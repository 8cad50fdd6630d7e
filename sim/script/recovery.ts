/** The end of the faults: all but the permanent ones are repaired, and operators follow the documents. */

import type { FleetStatus } from '../../src/api/operator-fleet-api.ts';
import { CLOCK_TOLERANCE_MS } from '../../src/identity/clock-tolerance.ts';
import { createReasonChecker, type ReasonChecker } from '../checkers/reasons.ts';
import { FAIR_DATABASE } from '../fleet/database-weather.ts';
import { FAIR_DISKS } from '../fleet/disk-weather.ts';
import type { Machine } from '../fleet/machine.ts';
import type { SimSled } from '../fleet/world.ts';
import { ROOMY_BYTES } from '../machine/volume.ts';
import { requestContext } from '../network/request-context.ts';
import { upgradeNexuses } from './database-faults.ts';
import { endHostility } from './hostility.ts';
import { approveForgotten, renewRevoked } from './identities.ts';
import { recoverGeneration, uploadLostReleases } from './recover-generation.ts';
import { inServiceNexuses, inServiceSleds, type Scene } from './scene.ts';
import { addLostRoots, exemptWithheld } from './signed-releases.ts';
import { acceptRefused, sendLostStatements } from './statements.ts';

const HELP_EVERY_MS = 60_000;
const DATASET_FILE = 'dataset.json';

export type Recovery = {
  readonly broken: ReadonlySet<SimSled>;
  readonly reasons: ReasonChecker;
  readonly mend: () => void;
  /** Called repeatedly until the fleet is at rest. */
  readonly help: () => void;
};

export const createRecovery = (scene: Scene): Recovery => {
  const { world, swarm } = scene;
  const broken = new Set<SimSled>();
  const { holdings, fail } = scene.witness;
  const reasons = createReasonChecker({ world, holdings, releases: scene.releases, broken, fail });
  const failed = new Set<string>();
  const accepted = new Set<string>();
  let helpedAtMs = Number.NEGATIVE_INFINITY;
  return {
    broken,
    reasons,
    mend() {
      for (const undo of [...scene.undo]) undo();
      upgradeNexuses(scene);
      world.network.heal();
      Object.assign(world.databaseWeather, FAIR_DATABASE);
      Object.assign(world.diskWeather, FAIR_DISKS);
      for (const { machine, standing } of [...world.sleds, ...world.nexuses]) {
        machine.operationsLeft = undefined;
        setClock(machine, swarm.certificateLifeMs);
        for (const volume of machine.volumes.values()) volume.capacityBytes = ROOMY_BYTES;
        if (standing === 'in_service') {
          machine.process()?.resume();
          machine.start();
        }
      }
      endHostility(scene);
      const candidates = inServiceSleds(scene);
      for (const sled of candidates.slice(
        0,
        Math.min(swarm.brokenForEver, candidates.length - world.minSledReplication),
      )) {
        world.trace.say(sled.plan.serial, 'stays down');
        broken.add(sled);
        sled.machine.retire();
      }
    },
    help() {
      if (world.scheduler.nowMs() - helpedAtMs < HELP_EVERY_MS) return;
      helpedAtMs = world.scheduler.nowMs();
      void lookAtStatus(scene, status => {
        reasons.onStatus(status);
        restartSleds(scene, status.reasons);
        emptyDisks(scene);
        uploadWhatIsLost(scene, status, failed);
        void acceptRefused(scene, status.reasons, accepted);
        exemptWithheld(scene, status.reasons);
      });
      sendLostStatements(scene);
      addLostRoots(scene);
      renewRevoked(scene);
      approveForgotten(scene);
      endHostility(scene);
      uploadLostReleases(scene);
      const [nexus] = inServiceNexuses(scene);
      if (nexus !== undefined) void recoverGeneration(scene, nexus);
    },
  };
};

/** Beyond the tolerance of certificates a machine refuses its peers; a smaller error stays. */
const MOST_WRONG_MS = CLOCK_TOLERANCE_MS / 2;

const setClock = (machine: Pick<Machine<unknown>, 'wallOffsetMs'>, certificateLifeMs: number): void => {
  const mostMs = Math.min(MOST_WRONG_MS, certificateLifeMs / 4);
  machine.wallOffsetMs = Math.max(-mostMs, Math.min(mostMs, machine.wallOffsetMs));
};

/**
 * A sled agent takes a new disk, or one that was not mounted at its start, into use when it starts again. It takes a disk that
 * was away back into use without a restart. It reads again which Nexuses its configuration names.
 */
const restartSleds = (
  { world }: Scene,
  reasons: readonly { readonly code: string; readonly sled_id?: string | undefined }[],
): void => {
  for (const { code, sled_id } of reasons) {
    if (code !== 'DATASET_FAULT' && code !== 'SLED_REFUSES') continue;
    const sled = world.sleds.find(({ plan, standing }) => plan.id === sled_id && standing === 'in_service');
    if (sled === undefined || !sled.machine.isUp()) continue;
    if (!hasNewDisk(sled) && !namesNone(sled)) continue;
    world.trace.say('operator', `restarts ${sled.plan.serial}`);
    sled.machine.kill();
    sled.machine.start();
  }
};

/** Those of its configuration are gone: the operator has written others into it. */
const namesNone = ({ named }: SimSled): boolean => named.every(({ standing }) => standing !== 'in_service');

const hasNewDisk = ({ machine }: SimSled): boolean =>
  [...machine.volumes.values()].some(
    ({ medium, wasUnmounted }) => wasUnmounted || !medium.top.now.has(DATASET_FILE),
  );

/** A sled agent does not start with a disk that has files and no identity: the operator empties the disk. */
const emptyDisks = ({ world, witness }: Scene): void => {
  for (const sled of world.sleds)
    for (const volume of sled.machine.volumes.values()) {
      const { medium, path } = volume;
      const names = [...medium.top.now.keys()].filter(name => !name.startsWith('.tmp-'));
      if (sled.standing !== 'in_service' || names.length === 0 || names.includes(DATASET_FILE)) continue;
      world.trace.say('operator', `empties ${path} of ${sled.plan.serial}`);
      const had = [...witness.holdings.filesOn(volume).keys()];
      medium.restore(new Map());
      witness.copies.onTaken(sled, had);
    }
};

const lookAtStatus = async (scene: Scene, use: (status: FleetStatus) => void): Promise<void> => {
  const [nexus] = inServiceNexuses(scene);
  if (nexus === undefined) return;
  const status = await scene.operator.ask(nexus, (services, incoming) =>
    services.operatorFleet.fleetStatus({
      ...requestContext(incoming),
      params: {},
      query: {},
      body: undefined,
    }),
  );
  if (status !== undefined) use(status as FleetStatus);
};

/**
 * The remedy of a failed or blocked release: the same archive again.
 *
 * @param failed versions that a status has called failed
 */
const uploadWhatIsLost = (scene: Scene, { releases }: FleetStatus, failed: Set<string>): void => {
  const { world, operator } = scene;
  const [nexus] = inServiceNexuses(scene);
  for (const { system_version, state } of releases) {
    if (state === 'complete' && failed.has(system_version)) world.trace.reached('a failed release recovered');
    if (state !== 'failed' && state !== 'blocked') continue;
    if (state === 'failed') {
      failed.add(system_version);
      world.trace.reached('a release failed');
    }
    const release = scene.releases.find(({ systemVersion }) => systemVersion === system_version);
    if (release !== undefined && nexus !== undefined) operator.upload(release, nexus);
  }
};
