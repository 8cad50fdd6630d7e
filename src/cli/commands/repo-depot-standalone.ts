import { resolve } from 'node:path';
import type { Command } from 'commander';
import { isEveryAddress } from '../../api/socket-address.ts';
import { isLoopback, parseAddress } from '../../http/listen.ts';
import { endpointUrl, type SocketAddress } from '../../lib/endpoint.ts';
import { DepotError } from '../../lib/errors.ts';
import { createLogger } from '../../lib/log.ts';
import { DEPOT_PORT, serveDepot } from '../../standalone-depot/depot.ts';
import { openServedArtifacts } from '../../standalone-depot/served-artifacts.ts';
import type { VerifiedRelease, VerifyRequest } from '../../verify/verified-release.ts';
import { verifyRelease } from '../../verify/verify-release.ts';
import {
  archiveLimits,
  LIMIT_REMEDY,
  type LimitOptions,
  withLimitOptions,
} from '../arguments/archive-limits.ts';
import { collected } from '../arguments/role-options.ts';
import { SIGNATURE_OPTION, type SignatureOption, signaturesOf } from '../arguments/signature-option.ts';
import { usageError } from '../output/failure.ts';
import { type CommonOptions, present, type Session, withCommonOptions } from '../session/session.ts';
import { readRootFile } from '../trust/root-file.ts';

type Options = CommonOptions &
  SignatureOption &
  LimitOptions & {
    readonly trustRoot: readonly string[];
    readonly allowExpired?: true;
    readonly listen: string;
    readonly allowNetwork?: true;
  };

export const addRepoDepotStandalone = (parent: Command, session: Session): void => {
  withCommonOptions(
    withLimitOptions(
      parent
        .command('repo-depot-standalone')
        .description('serve the artifacts of archives through the Repo Depot API, without a fleet')
        .argument('<archive...>', 'archives of releases, which are verified first')
        .option(
          '--trust-root <file>',
          'a root.json (or archive with it) that may vouch for the archives; may be repeated; without one each archive vouches for itself',
          collected,
          [],
        )
        .option('--allow-expired', 'accept metadata that has expired')
        .option(...SIGNATURE_OPTION)
        .option('--listen <address>', 'where to serve', `127.0.0.1:${DEPOT_PORT}`)
        .option(
          '--allow-network',
          'serve other machines too, without TLS: whoever reaches the address may read',
        ),
    ),
    'tuf-depot repo-depot-standalone release-1.2.0.zip --trust-root root.json\n' +
      'curl -O http://127.0.0.1:12348/artifact/sha256/HASH',
  ).action((archives: string[], options: Options) => serve(session, archives, options));
};

const serve = async (session: Session, archives: readonly string[], options: Options): Promise<void> => {
  const listen = listenAddress(options);
  const { signal, terminal } = session;
  await using served = await openServedArtifacts({ signal });
  const releases: VerifiedRelease[] = [];
  for (const archive of archives) {
    const path = resolve(session.directory, archive);
    const release = await verify(session, path, options).catch((cause: unknown) => {
      throw named(`${archive} does not verify`, cause);
    });
    await served.add(path, release).catch((cause: unknown) => {
      throw named(`cannot serve ${archive}`, cause);
    });
    releases.push(release);
  }
  await using server = await serveDepot(served.artifacts, {
    listen,
    servesNetworkInPlain: options.allowNetwork === true,
    log: createLogger({ name: 'repo-depot-standalone', level: 'warn' }),
  });
  announce(session, options, {
    url: endpointUrl({ scheme: 'http', ...server }),
    artifacts: served.artifacts.size,
    releases,
  });
  if (options.trustRoot.length === 0)
    terminal.note(
      `${terminal.noteStyle.warn('note:')} each archive is checked against its own root, which proves that it is whole, ` +
        'not who signed it; for the signers: --trust-root FILE',
    );
  await untilAborted(signal);
};

const listenAddress = ({ listen, allowNetwork }: Options): SocketAddress => {
  const address = parseAddress(listen, '--listen');
  if (isEveryAddress(address.host))
    throw usageError(
      `--listen: ${address.host} is every address of this machine`,
      'Name the one at which readers reach it: --listen 10.0.0.1:12348',
    );
  if (allowNetwork !== true && !isLoopback(address.host))
    throw usageError(
      `--listen: other machines reach ${listen}, and nothing here is encrypted or asks for an identity`,
      'If every machine that reaches it may read these artifacts: --allow-network',
    );
  return address;
};

const verify = async (session: Session, path: string, options: Options): Promise<VerifiedRelease> => {
  const { trustRoot, allowExpired } = options;
  const signatures = signaturesOf(options);
  const roots =
    trustRoot.length === 0
      ? [await readRootFile(path, 'oldest', { ...session, signatures })]
      : await Promise.all(
          trustRoot.map(file =>
            readRootFile(resolve(session.directory, file), 'newest', { ...session, signatures }),
          ),
        );
  const request: VerifyRequest = {
    trustRoots: roots.map(({ version, digest, bytes }) => ({
      id: `${version}.root.json (SHA-256 ${digest})`,
      bytes,
    })),
    nowMs: session.clock.nowMs(),
    allowExpired: allowExpired === true,
    signatures,
    limits: archiveLimits(options),
  };
  return verifyRelease(path, request, { signal: session.signal });
};

const named = (message: string, cause: unknown): unknown => {
  if (!(cause instanceof DepotError)) return cause;
  const remedy = cause.code === 'ARCHIVE_LIMIT' ? { remedy: LIMIT_REMEDY } : {};
  return new DepotError(cause.code, message, { cause, detail: { ...remedy, ...cause.detail } });
};

type Served = {
  readonly url: string;
  readonly artifacts: number;
  readonly releases: readonly VerifiedRelease[];
};

const announce = (session: Session, options: Options, { url, artifacts, releases }: Served): void => {
  const data = {
    ...{ url, artifacts },
    releases: releases.map(({ description }) => ({
      system_version: description.systemVersion,
      artifacts: description.artifacts.map(({ sha256, sizeBytes, targetName }) => ({
        ...{ sha256, size_bytes: sizeBytes, target_name: targetName },
      })),
    })),
  };
  present(session, options, data, () => [
    ...releases.map(
      ({ description }) =>
        `release ${description.systemVersion} verifies: ${description.artifacts.length} artifacts`,
    ),
    `serving ${artifacts} artifacts at ${url}/artifact/sha256/HASH, until Ctrl-C`,
  ]);
};

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise(end => {
    if (signal.aborted) return end();
    signal.addEventListener('abort', () => end(), { once: true });
  });
