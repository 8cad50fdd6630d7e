/**
 * Releases that no pinned root vouches for, and what people sign so that sleds store them.
 *
 *     a new signer:     trust_root ─▶ the root is added ─▶ upload
 *     without metadata: upload ─▶ exempt_release, at once or when the status names the release as withheld
 *
 * SGR1. In one run people sign for one root and for one release. Of the other signer, and of the other release, sleds store nothing (T3).
 */
import type { FleetStatus } from '../../src/api/operator-fleet-api.ts';
import { subjectOf } from '../../src/core/statement.ts';
import { rootDigestOf } from '../../src/tuf/root-digest.ts';
import type { NeededStatement, SimRelease } from '../fleet/releases.ts';
import type { SimNexus } from '../fleet/world.ts';
import { requestContext } from '../network/request-context.ts';
import { chosen } from './chosen.ts';
import { inServiceNexuses, type Scene } from './scene.ts';
import { sign } from './statements.ts';
import type { Step } from './step.ts';

/** SGR1 */
const releasesThatNeed = (
  { releases, world }: Scene,
  kind: NeededStatement['kind'],
): readonly SimRelease[] => {
  const all = releases.flatMap(each =>
    each.needs?.kind === kind ? [{ each, subject: subjectOf(each.needs) }] : [],
  );
  const subjects = [...new Set(all.map(({ subject }) => subject))];
  const ofThisRun = chosen(subjects, world.streams('signed for').below(subjects.length));
  return all.filter(({ subject }) => subject === ofThisRun).map(({ each }) => each);
};

/** The statement goes first, as the command line sends it: without it no sled would believe the root. */
export const trustSigner = async (scene: Scene, step: Step): Promise<void> => {
  const nexus = chosen(inServiceNexuses(scene), step.choice[0]);
  const release = chosen(releasesThatNeed(scene, 'trust_root'), step.choice[1]);
  if (nexus === undefined || release?.needs === undefined) return;
  await sign(scene, nexus, release.needs);
  await addRoot(scene, nexus, release);
  scene.operator.upload(release, nexus);
};

const addRoot = async ({ operator }: Scene, nexus: SimNexus, { signer }: SimRelease): Promise<void> => {
  const body: unknown = JSON.parse(Buffer.from(signer.root).toString('utf8'));
  await operator.ask(nexus, (services, incoming) =>
    services.operatorUpdate.trustRootCreate({ ...requestContext(incoming), params: {}, query: {}, body }),
  );
};

/** A restored database has lost it. */
export const addLostRoots = (scene: Scene): void => {
  const [nexus] = inServiceNexuses(scene);
  const { trustRoots } = scene.world.database.snapshot();
  const present = new Set(
    [...trustRoots.values()].flatMap(({ first, timeDeletedMs }) =>
      timeDeletedMs === null ? [rootDigestOf(first.rootBytes)] : [],
    ),
  );
  const said = scene.world.admin.said().filter(({ kind }) => kind === 'trust_root');
  const signers = new Map(
    releasesThatNeed(scene, 'trust_root').map(release => [release.signer.rootSha256, release]),
  );
  for (const [sha256, release] of signers) {
    const isTrusted = said.some(each => each.kind === 'trust_root' && each.rootSha256 === sha256);
    if (nexus !== undefined && isTrusted && !present.has(sha256)) void addRoot(scene, nexus, release);
  }
};

/** In half of the cases the person signs at once, as `repo upload --exempt` does. */
export const uploadWithoutMetadata = (scene: Scene, step: Step): void => {
  const nexus = chosen(inServiceNexuses(scene), step.choice[0]);
  const release = chosen(releasesThatNeed(scene, 'exempt_release'), step.choice[1]);
  if (nexus === undefined || release === undefined) return;
  scene.operator.upload(release, nexus);
  if (step.choice[2] % 2 === 0) void exempt(scene, nexus, release);
};

const exempt = async (scene: Scene, nexus: SimNexus, { needs }: SimRelease): Promise<void> => {
  if (needs !== undefined) await sign(scene, nexus, needs);
};

/** The remedy of a release that sleds withhold since no signature covers it. */
export const exemptWithheld = (scene: Scene, reasons: FleetStatus['reasons']): void => {
  const [nexus] = inServiceNexuses(scene);
  for (const { code, details, system_version } of reasons) {
    if (code !== 'RELEASE_WITHHELD' || details?.because !== 'unexempted') continue;
    const release = scene.releases.find(({ systemVersion }) => systemVersion === system_version);
    if (release?.needs?.kind !== 'exempt_release' || nexus === undefined) continue;
    scene.world.trace.reached('the status named a release that nobody had exempted');
    void exempt(scene, nexus, release);
  }
};
