import { resolve } from 'node:path';
import type { Command } from 'commander';
import { DepotError } from '../../lib/errors.ts';
import type { VerifiedRelease } from '../../verify/verified-release.ts';
import { verifyRelease } from '../../verify/verify-release.ts';
import { createLiveRegion } from '../output/live-region.ts';
import { printable } from '../output/style.ts';
import { createTransferMeter, transferLine } from '../output/transfer.ts';
import { readRootFile } from '../root-file.ts';
import { type CommonOptions, present, type Session, withCommonOptions } from '../session.ts';

const BAR_CELLS = 28;

type VerifyOptions = CommonOptions & { readonly trustRoot?: string; readonly allowExpired?: true };

export const addRepoVerify = (parent: Command, session: Session): void => {
  withCommonOptions(
    parent
      .command('verify')
      .description('verify a release archive whole, here: signatures, and length and hash of every artifact')
      .argument('<file>', 'the archive')
      .option('--trust-root <file>', 'the root.json (or archive with it) that has to vouch for the release')
      .option('--allow-expired', 'accept metadata that has expired'),
    'tuf-depot repo verify release-1.2.0.zip --trust-root root.json',
  ).action(async (file: string, options: VerifyOptions) => {
    const path = resolve(session.directory, file);
    const rootPath = options.trustRoot === undefined ? path : resolve(session.directory, options.trustRoot);
    const { root, release } = await verify(session, path, rootPath, options).catch((cause: unknown) => {
      if (!(cause instanceof DepotError)) throw cause;
      throw new DepotError(cause.code, `${file} does not verify`, { cause, detail: cause.detail });
    });
    present(
      session,
      options,
      releaseData(release, { own: options.trustRoot === undefined, sha256: root.sha256 }),
      () => [
        ...release.report.map(({ text }) => `${session.terminal.outStyle.good('✓')} ${printable(text)}`),
        `${file}: release ${release.description.systemVersion} verifies`,
      ],
    );
    if (options.trustRoot === undefined) {
      const { noteStyle } = session.terminal;
      session.terminal.note(
        `${noteStyle.warn('note:')} checked against its own root, which shows that it is whole, not who made it; ` +
          'for that: --trust-root FILE',
      );
    }
  });
};

const verify = async (session: Session, path: string, rootPath: string, options: VerifyOptions) => {
  const root = await readRootFile(rootPath, options.trustRoot === undefined ? 'oldest' : 'newest', session);
  const release = await verifyWithProgress(session, path, {
    trustRoots: [{ id: `${root.version}.root.json (SHA-256 ${root.sha256})`, bytes: root.bytes }],
    nowMs: session.clock.nowMs(),
    allowExpired: options.allowExpired === true,
  });
  return { root, release };
};

const verifyWithProgress = async (
  session: Session,
  path: string,
  request: Parameters<typeof verifyRelease>[1],
): Promise<VerifiedRelease> => {
  const { clock, terminal, signal } = session;
  const meter = createTransferMeter(clock.monotonicMs());
  const region = createLiveRegion(terminal, clock);
  try {
    return await verifyRelease(path, request, {
      signal,
      onProgress({ doneBytes, totalBytes }) {
        const nowMs = clock.monotonicMs();
        meter.record(doneBytes - meter.bytes(), nowMs);
        const line = (barCells: number) =>
          `verifying  ${transferLine({ bytes: doneBytes, totalBytes, rate: meter.rate(nowMs) }, barCells)}`;
        region.show(
          () => [line(BAR_CELLS)],
          () => line(0),
        );
      },
    });
  } finally {
    region.close();
  }
};

/** In the wire's names: stable for scripts. */
const releaseData = (release: VerifiedRelease, root: { own: boolean; sha256: string }) => ({
  system_version: release.description.systemVersion,
  format: release.description.format,
  trust_root: { own: root.own, sha256: root.sha256 },
  role_versions: release.versions,
  targets_sha256: release.targetsSha256,
  artifacts: release.description.artifacts.map(artifact => ({
    sha256: artifact.sha256,
    size_bytes: artifact.sizeBytes,
    target_name: artifact.targetName,
    version: artifact.version,
    tags: artifact.tags,
  })),
  overrides: release.overrides,
  unsigned_files: release.unsignedFiles,
  report: release.report.map(({ text }) => text),
});
