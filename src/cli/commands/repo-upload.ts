import { basename, resolve } from 'node:path';
import type { Command } from 'commander';
import type { TrustRootUpload, TufRepoUpload } from '../../api/operator-update-api.ts';
import { plural } from '../../core/facts/phrase.ts';
import type { SystemVersion } from '../../core/ids.ts';
import { DepotError, findDepotError, reportOf } from '../../lib/errors.ts';
import { isPassingName } from '../../lib/spooled-file.ts';
import { parseVersion } from '../arguments/versions.ts';
import { ADMIN_KEY_OPTION, type AdminKeyOptions } from '../connection/admin-key-file.ts';
import { withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { signerIfNeeded } from '../connection/statements.ts';
import { formatBytes, formatDuration, formatRate } from '../output/quantities.ts';
import { printable, type Style } from '../output/style.ts';
import { present, type Session } from '../session/session.ts';
import { type Exemption, exemptionOf, exemptionText, exemptUploaded } from '../upload/exemption.ts';
import { type UploadResult, uploadArchive } from '../upload/upload.ts';
import { openUploadFile, standardInput } from '../upload/upload-source.ts';
import { waitForRelease } from '../upload/wait-for-release.ts';
import { reportWait } from './repo-wait.ts';

/** The device may be a socket, which does not open by its path. */
const STANDARD_INPUT: ReadonlySet<string> = new Set(['-', '/dev/stdin']);
const DEFAULT_STDIN_NAME = 'stdin.zip';

type UploadOptions = AdminKeyOptions & {
  readonly allowExpired?: true;
  readonly allowRollback?: true;
  readonly allowRevokedKeys?: true;
  readonly exempt?: true;
  readonly fileName?: string;
  readonly wait?: true;
};

export const addRepoUpload = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('upload')
      .description('upload a release archive; every signature and byte is verified before it is recorded')
      .argument('<file>', 'the archive; - reads standard input')
      .option('--allow-expired', 'accept metadata that has expired; recorded')
      .option('--allow-rollback', 'accept metadata older than the accepted versions; recorded')
      .option(
        '--allow-revoked-keys',
        'bring back a deleted release whose signing keys were revoked; for admins, recorded',
      )
      .option('--file-name <name>', 'the name to record; by default that of the file')
      .option(
        '--exempt',
        'let sleds store it although signatures do not cover every artifact of it, as repo exempt does; for admins, recorded',
      )
      .option(...ADMIN_KEY_OPTION)
      .option('--wait', 'wait until every in-service sled has it'),
    'tuf-depot repo upload release-1.2.0.zip --wait',
  ).action(async (file: string, options: UploadOptions) => {
    const fromStdin = STANDARD_INPUT.has(file);
    await using source = fromStdin
      ? standardInput(session.stdin)
      : await openUploadFile(resolve(session.directory, file));
    const fileName = options.fileName ?? (isPassingName(file) ? DEFAULT_STDIN_NAME : basename(file));
    await withDepot(session, options, async depot => {
      // Before the archive is sent: what cannot be exempted here would be withheld.
      const signer = options.exempt && (await signerIfNeeded(session, options, depot));
      const result = await uploadArchive(session, depot, {
        fileName,
        source,
        allowExpired: options.allowExpired === true,
        allowRollback: options.allowRollback === true,
        allowRevokedKeys: options.allowRevokedKeys === true,
      }).catch((error: unknown) => {
        throw uploadError(error, file);
      });
      const { answer } = result;
      const { roots, checks } = answer;
      if (roots !== undefined) return present(session, options, { ...roots, checks }, () => rootLines(roots));
      const version: SystemVersion = parseVersion(answer.repo.system_version);
      const exemption = options.exempt
        ? await exemptUploaded(depot, signer, version, session.clock.nowMs())
        : await exemptionOf(depot, version);
      const report = uploadLines(answer, result, exemption, session.terminal.outStyle);
      const upload = { ...answer, exemption };
      if (options.wait !== true) return present(session, options, upload, () => report);
      for (const line of report) session.terminal.note(line);
      const outcome = await waitForRelease(session, depot, {
        version,
        goal: 'complete',
        timeoutMs: undefined,
      });
      reportWait(session, options, outcome, 'complete', { upload });
    });
  });
};

/** The server's message follows; a refusal for trust gets the command that adds the trust root. */
const uploadError = (error: unknown, file: string): unknown => {
  const refusal = findDepotError(error);
  if (refusal === undefined) return error;
  const { code, detail } = refusal;
  const isDistrusted = code === 'NO_TRUST_ROOT' || code === 'UNTRUSTED_SIGNATURES';
  const remedy =
    isDistrusted && !isPassingName(file)
      ? { remedy: `if you trust its signers: tuf-depot trust-root add ${file}` }
      : {};
  const name = STANDARD_INPUT.has(file) ? 'the archive on standard input' : file;
  return new DepotError(code, `cannot upload ${name}`, {
    cause: error,
    report: reportOf(error),
    detail: { ...remedy, ...detail },
  });
};

const rootLines = ({ status, trust_roots }: TrustRootUpload): string[] =>
  trust_roots.map(({ id, root_version }) =>
    status === 'root_advanced'
      ? `trust root ${id} is now root version ${root_version}`
      : `trust root ${id} has root version ${root_version} already`,
  );

const uploadLines = (
  answer: TufRepoUpload,
  { sentBytes, sendMs, verifyMs, waitedMs }: UploadResult,
  exemption: Exemption,
  style: Style,
): string[] => {
  const { repo, status, report = [], overrides = [] } = answer;
  const size = repo.total_size_bytes === undefined ? '' : `, ${formatBytes(repo.total_size_bytes)}`;
  const artifacts =
    repo.artifact_count === undefined ? '' : `: ${plural(repo.artifact_count, 'artifact')}${size}`;
  const waited = waitedMs === 0 ? '' : `, waited ${formatDuration(waitedMs)} for the database`;
  const exemptionLine = exemptionText(exemption, parseVersion(repo.system_version));
  const rate = sendMs > 0 ? ` (${formatRate((sentBytes * 1000) / sendMs)})` : '';
  return [
    `${style.bold(repo.system_version)} ${status === 'inserted' ? 'uploaded' : 'was there already'}${artifacts}; ` +
      `sent in ${formatDuration(sendMs)}${rate}, verified in ${formatDuration(verifyMs)}${waited}`,
    ...report.map(line => `  ${style.good('✓')} ${printable(line)}`),
    ...overrides.map(line => `  ${style.warn('!')} ${printable(line)}`),
    ...(exemptionLine === undefined ? [] : [`  ${style.warn('!')} ${exemptionLine}`]),
  ];
};
