/**
 * A repository on an HTTP server: `<base>/metadata/…` and `<base>/targets/…`, or two separate addresses.
 *
 * HS1. A target's name is data: each segment of it is percent-encoded, so that no name leaves its folder, asks a
 *      query, or is cut at a `#`. Names of metadata files come percent-encoded.
 * HS2. 404, 403 and 410 mean that the file is absent; every other failure is an error, since an absence ends the chain of
 *      roots.
 * HS3. A metadata file that the server does not have is requested once more with its `%` encoded: a plain server decodes the name, and
 *      does not find a file that has the encoded name on its disk.
 * HS4. A page with status 200 is neither metadata nor an absence: many hosts answer so for files that they do not have. Errors name the
 *      file and its address.
 */
import {
  createDownloader,
  type Download,
  type Downloader,
  type DownloaderOptions,
  type Resume,
} from '../http/download.ts';
import { DepotError } from '../lib/errors.ts';
import type { RepositorySource } from './source.ts';

export type HttpSourceOptions = DownloaderOptions & {
  readonly metadataUrl: string;
  readonly targetsUrl: string;
  /** Aborts running downloads. */
  readonly signal: AbortSignal;
};

export type HttpSource = RepositorySource & {
  /** As `openTarget`, but resumes. Dispose the download. */
  readonly downloadTarget: (
    fileName: string,
    options: {
      readonly maxBytes: number;
      readonly resume?: Resume | undefined;
      readonly signal: AbortSignal;
    },
  ) => Promise<Download | undefined>;
};

/** `<base>/metadata` and `<base>/targets`. @throws `INVALID_REQUEST` for what is not an http or https address */
export const repositoryUrls = (
  base: string,
): { readonly metadataUrl: string; readonly targetsUrl: string } => {
  const trimmed = baseUrl(base).replace(/\/+$/, '');
  return { metadataUrl: `${trimmed}/metadata`, targetsUrl: `${trimmed}/targets` };
};

export const createHttpSource = (options: HttpSourceOptions): HttpSource => {
  const metadataUrl = baseUrl(options.metadataUrl);
  const targetsUrl = baseUrl(options.targetsUrl);
  const downloader: Downloader = createDownloader(options);
  const downloadTarget: HttpSource['downloadTarget'] = async (fileName, wanted) =>
    downloader.get(fileUrl(targetsUrl, fileName.split('/').map(encodeURIComponent)), wanted);
  const readFile = async (fileName: string, maxBytes: number): Promise<Uint8Array | undefined> => {
    const url = fileUrl(metadataUrl, [fileName]);
    const found = await downloader.get(url, { maxBytes, signal: options.signal });
    if (found === undefined) return undefined;
    await using download = found;
    const bytes = await collect(download);
    if (isPage(bytes)) throw notMetadata(url);
    return bytes;
  };
  return {
    kind: 'http',
    name: metadataUrl,
    metadata: {
      addressOf: fileName => fileUrl(metadataUrl, [fileName]),
      async read(fileName, maxBytes) {
        // A URL segment already: the contract of MetadataSource.
        const bytes = await readFile(fileName, maxBytes);
        if (bytes !== undefined || !fileName.includes('%')) return bytes;
        return await readFile(encodeURIComponent(fileName), maxBytes); // HS3
      },
    },
    openTarget: downloadTarget,
    downloadTarget,
    [Symbol.asyncDispose]: () => downloader[Symbol.asyncDispose](),
  };
};

const baseUrl = (text: string): string => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isBase =
    (url?.protocol === 'http:' || url?.protocol === 'https:') && url.search === '' && url.hash === '';
  if (isBase && url.username === '') return url.href;
  throw new DepotError(
    'INVALID_REQUEST',
    `"${text}" is not the address of a repository, such as https://example.com/repo`,
  );
};

/** The characters that `encodeURIComponent` keeps or produces. */
const URL_SEGMENT = /^(?!\.{1,2}$)[\w.!~*'()%-]+$/;

/** HS1. */
const fileUrl = (base: string, segments: readonly string[]): string => {
  if (segments.every(segment => URL_SEGMENT.test(segment)))
    return `${base.replace(/\/+$/, '')}/${segments.join('/')}`;
  throw new DepotError('INVALID_REQUEST', `"${segments.join('/')}" does not name a file of a repository`);
};

/** HS4. JSON never begins like that. */
const isPage = (bytes: Uint8Array): boolean =>
  /^\uFEFF?\s*</.test(Buffer.from(bytes.subarray(0, 64)).toString('utf8'));

const notMetadata = (url: string): DepotError =>
  new DepotError(
    'PEER_BAD_ANSWER',
    `${url} is a page instead of metadata; a server has to answer 404 for a file that it does not have`,
    { detail: { url } },
  );

const collect = async ({ chunks }: Download): Promise<Uint8Array> => {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return new Uint8Array(Buffer.concat(parts));
};
