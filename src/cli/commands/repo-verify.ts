import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { ErrorCode } from '../../lib/error-codes.ts';
import { DepotError } from '../../lib/errors.ts';
import { spooledFile } from '../../lib/spooled-file.ts';
import { createDirectorySource } from '../../source/directory-source.ts';
import { createHttpSource, repositoryUrls } from '../../source/http-source.ts';
import type { RepositorySource } from '../../source/source.ts';
import { type VerifiedSource, verifySource } from '../../source/verify-source.ts';
import { MAX_METADATA_BYTES } from '../../tuf/metadata.ts';
import { rootDigestOf } from '../../tuf/root-digest.ts';
import type { VerifiedRelease, VerifyProgress, VerifyRequest } from '../../verify/verified-release.ts';
import { verifyRelease } from '../../verify/verify-release.ts';
import {
  archiveLimits,
  LIMIT_REMEDY,
  type LimitOptions,
  withLimitOptions,
} from '../arguments/archive-limits.ts';
import { SIGNATURE_OPTION, type SignatureOption, signaturesOf } from '../arguments/signature-option.ts';
import { checkLines, expiryLines } from '../output/check-lines.ts';
import { descriptionData } from '../output/description-data.ts';
import { createLiveRegion } from '../output/live-region.ts';
import { createTransferMeter, transferLine } from '../output/transfer.ts';
import { type CommonOptions, present, type Session, withCommonOptions } from '../session/session.ts';
import { type RootFile, readRootFile } from '../trust/root-file.ts';

const BAR_CELLS = 28;

type VerifyOptions = CommonOptions &
  SignatureOption &
  LimitOptions & {
    readonly trustRoot?: string;
    readonly allowExpired?: true;
    readonly proxy?: string;
    readonly caFile?: string;
  };

export const addRepoVerify = (parent: Command, session: Session): void => {
  withCommonOptions(
    withLimitOptions(
      parent
        .command('verify')
        .description('verify a whole repository on this machine: an archive, a directory, or one on a server')
        .argument(
          '<repository>',
          'an archive (- reads standard input), a directory with metadata/ and targets/, or its URL',
        )
        .option('--trust-root <file>', 'the root.json (or archive with it) that has to vouch for the release')
        .option('--allow-expired', 'accept metadata that has expired')
        .option(...SIGNATURE_OPTION)
        .option('--proxy <url>', 'for a URL; by default from HTTP_PROXY and HTTPS_PROXY')
        .option('--ca-file <file>', 'PEM certificates that are trusted beside the usual ones'),
    ),
    'tuf-depot repo verify release-1.2.0.zip --trust-root root.json\n' +
      'tuf-depot repo verify https://example.com/repo --trust-root root.json',
  ).action(async (place: string, options: VerifyOptions) => {
    const { root, release } = await verify(session, place, options).catch((cause: unknown) => {
      throw doesNotVerify(session, place, options, cause);
    });
    const isOwn = options.trustRoot === undefined;
    const style = session.terminal.outStyle;
    present(session, options, releaseData(release, root, isOwn), () => [
      ...checkLines(release.checks, style),
      '',
      ...expiryLines(release.checks, style),
      `${place}: release ${release.description.systemVersion} verifies`,
    ]);
    if (isOwn) {
      const { noteStyle } = session.terminal;
      session.terminal.note(
        `${noteStyle.warn('note:')} checked against its own root, which proves that it is whole, not who signed it; ` +
          'for the signers: --trust-root FILE',
      );
    }
  });
};

/** The report goes to standard output, as for a release that verifies; then the error follows. */
const doesNotVerify = (session: Session, place: string, options: VerifyOptions, cause: unknown): unknown => {
  if (!(cause instanceof DepotError)) return cause;
  const { code, report } = cause;
  const remedy = remedies(place, options)[code];
  const detail = { ...(remedy !== undefined && { remedy }), ...cause.detail };
  if (report.length > 0)
    present(session, options, { verified: false, error_code: code, checks: report }, () =>
      checkLines(report, session.terminal.outStyle),
    );
  return new DepotError(code, `${nameOf(place)} does not verify`, { cause, detail });
};

const nameOf = (place: string): string => (place === '-' ? 'the archive on standard input' : place);

/** What helps this command, which trusts nothing and records nothing. */
const remedies = (place: string, { trustRoot }: VerifyOptions): Partial<Record<ErrorCode, string>> => ({
  UNTRUSTED_SIGNATURES:
    trustRoot === undefined
      ? 'its own first root does not vouch for it: build and sign the repository again'
      : `if other signers are right, give their root: repo verify ${place} --trust-root FILE`,
  METADATA_EXPIRED: 'to check the rest all the same: --allow-expired',
  ARCHIVE_LIMIT: LIMIT_REMEDY,
  PEER_UNREACHABLE: 'check the address; a proxy is --proxy, HTTP_PROXY or HTTPS_PROXY',
  PEER_IDENTITY: 'check the address; certificates of an authority of your own are --ca-file FILE',
});

type Verified = VerifiedSource & Partial<Pick<VerifiedRelease, 'unsignedFiles' | 'report'>>;
type Root = Pick<RootFile, 'bytes' | 'sha256' | 'digest' | 'version'>;

const verify = async (
  session: Session,
  place: string,
  options: VerifyOptions,
): Promise<{ readonly root: Root; readonly release: Verified }> => {
  const path = place === '-' ? place : resolve(session.directory, place);
  const isAddress = /^https?:\/\//i.test(place);
  const isDirectory = !isAddress && (await stat(path).catch(() => undefined))?.isDirectory() === true;
  if (!isAddress && !isDirectory) {
    await using file = await spooledFile(path, session);
    const root = await rootFor(session, options, () =>
      readRootFile(file.path, 'oldest', {
        ...session,
        signatures: signaturesOf(options),
        name: nameOf(place),
      }),
    );
    return {
      root,
      release: await verifyWithProgress(session, file.path, requestFor(session, root, options)),
    };
  }
  await using source = isAddress
    ? createHttpSource({
        ...repositoryUrls(place),
        ...(await connectionOf(session, options)),
        signal: session.signal,
      })
    : await createDirectorySource(path);
  const root = await rootFor(session, options, () => firstRootOf(source));
  return {
    root,
    release: await withMeter(session, onProgress =>
      verifySource(source, requestFor(session, root, options), { signal: session.signal, onProgress }),
    ),
  };
};

const connectionOf = async (session: Session, { proxy, caFile }: VerifyOptions) => ({
  proxy,
  caPem: caFile === undefined ? undefined : await readFile(resolve(session.directory, caFile), 'utf8'),
});

const rootFor = (session: Session, options: VerifyOptions, own: () => Promise<Root>): Promise<Root> =>
  options.trustRoot === undefined
    ? own()
    : readRootFile(resolve(session.directory, options.trustRoot), 'newest', {
        ...session,
        signatures: signaturesOf(options),
      });

const firstRootOf = async (source: RepositorySource): Promise<Root> => {
  const bytes = await source.metadata.read('1.root.json', MAX_METADATA_BYTES.root);
  if (bytes === undefined)
    throw new DepotError(
      'METADATA_MISSING',
      `${source.name} has no 1.root.json; give a root with --trust-root`,
    );
  return {
    bytes,
    version: 1,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    digest: rootDigestOf(bytes),
  };
};

const requestFor = (session: Session, root: Root, options: VerifyOptions): VerifyRequest => ({
  trustRoots: [{ id: `${root.version}.root.json (SHA-256 ${root.digest})`, bytes: root.bytes }],
  nowMs: session.clock.nowMs(),
  allowExpired: options.allowExpired === true,
  signatures: signaturesOf(options),
  limits: archiveLimits(options),
});

const verifyWithProgress = (
  session: Session,
  path: string,
  request: VerifyRequest,
): Promise<VerifiedRelease> =>
  withMeter(session, onProgress => verifyRelease(path, request, { signal: session.signal, onProgress }));

const withMeter = async <T>(
  { clock, terminal }: Session,
  work: (onProgress: (progress: VerifyProgress) => void) => Promise<T>,
): Promise<T> => {
  const meter = createTransferMeter(clock.monotonicMs());
  const region = createLiveRegion(terminal, clock);
  try {
    return await work(({ doneBytes, totalBytes }) => {
      const nowMs = clock.monotonicMs();
      meter.record(doneBytes - meter.bytes(), nowMs);
      const line = (barCells: number) =>
        `verifying  ${transferLine({ bytes: doneBytes, totalBytes, rate: meter.rate(nowMs) }, barCells)}`;
      region.show(
        () => [line(BAR_CELLS)],
        () => line(0),
      );
    });
  } finally {
    region.close();
  }
};

/** In the wire's names: stable for scripts. */
const releaseData = (release: Verified, root: Root, isOwn: boolean) => ({
  verified: true,
  ...descriptionData(release.description),
  trust_root: { own: isOwn, sha256: root.sha256, root_sha256: root.digest },
  role_versions: release.versions,
  targets_sha256: release.targetsSha256,
  overrides: release.overrides,
  unsigned_files: release.unsignedFiles ?? [],
  report: release.report?.map(({ text }) => text) ?? release.checks.map(({ text }) => text),
  checks: release.checks,
});
