/**
 * An OCI image of one layer, as a tar archive of its layout: `skopeo copy oci-archive:FILE …`, `podman load --input FILE`.
 *
 *     files ─▶ layer (tar, gzip) ─▶ configuration ─▶ manifest ─▶ index ─▶ archive
 *
 * OCI1. Nothing is run that a registry or an engine brings, and the same files make the same bytes.
 */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { type PackedFile, tarOf } from './tar.ts';

export type Image = {
  readonly files: readonly PackedFile[];
  /** As OCI names it: `amd64`. */
  readonly architecture: string;
  readonly version: string;
  readonly entrypoint: readonly string[];
  readonly user: string;
  readonly timeS: number;
};

type Descriptor = { readonly mediaType: string; readonly digest: string; readonly size: number };

const FILE_MODE = 0o644;
/** A higher level takes twice as long for 1 %. */
const GZIP_LEVEL = 6;

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

export const ociArchive = ({ files, architecture, version, entrypoint, user, timeS }: Image): Buffer => {
  const blobs: PackedFile[] = [];
  const add = (mediaType: string, bytes: Buffer): Descriptor => {
    const digest = sha256(bytes);
    blobs.push({ path: `blobs/sha256/${digest}`, mode: FILE_MODE, bytes });
    return { mediaType, digest: `sha256:${digest}`, size: bytes.length };
  };
  const archive = { start: '', timeS };
  const created = new Date(timeS * 1000).toISOString();
  const tar = tarOf(files, archive);
  const layer = add('application/vnd.oci.image.layer.v1.tar+gzip', gzipSync(tar, { level: GZIP_LEVEL }));
  const config = add(
    'application/vnd.oci.image.config.v1+json',
    json({
      ...{ created, architecture, os: 'linux' },
      config: {
        ...{ User: user, Entrypoint: entrypoint, WorkingDir: '/', StopSignal: 'SIGTERM' },
        Env: ['PATH=/usr/bin:/bin'],
        Labels: { 'org.opencontainers.image.version': version },
      },
      rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(tar)}`] },
      history: [{ created, created_by: 'npm run package' }],
    }),
  );
  const manifestType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = add(
    manifestType,
    json({ schemaVersion: 2, mediaType: manifestType, config, layers: [layer] }),
  );
  const index = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [
      {
        ...manifest,
        platform: { architecture, os: 'linux' },
        annotations: { 'org.opencontainers.image.ref.name': version },
      },
    ],
  };
  return tarOf(
    [
      { path: 'oci-layout', mode: FILE_MODE, bytes: json({ imageLayoutVersion: '1.0.0' }) },
      { path: 'index.json', mode: FILE_MODE, bytes: json(index) },
      ...blobs,
    ],
    archive,
  );
};
