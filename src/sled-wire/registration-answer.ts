/** The answer of a Nexus to a registration, in the headers of a 204. */
import { FLOOR_DIGEST_HEADER, GENERATION_FLOOR_HEADER, HEADS_HEADER } from '../api/internal-api.ts';
import { Generation, PointText, SetDigest } from '../core/ids.ts';
import type { RegistrationAnswer } from '../core/sled-registration.ts';
import { DepotError } from '../lib/errors.ts';

type SetHeader = (
  name: typeof GENERATION_FLOOR_HEADER | typeof FLOOR_DIGEST_HEADER | typeof HEADS_HEADER,
  value: string,
) => void;

export const writeAnswer = ({ floor, verdicts }: RegistrationAnswer, setHeader: SetHeader): void => {
  setHeader(GENERATION_FLOOR_HEADER, String(floor.generation));
  if (floor.digest !== undefined) setHeader(FLOOR_DIGEST_HEADER, floor.digest);
  if (verdicts !== undefined)
    setHeader(
      HEADS_HEADER,
      [...verdicts].map(([point, isKnown]) => `${point}=${isKnown ? 'known' : 'unknown'}`).join(','),
    );
};

type Headers = Readonly<Record<string, string | undefined>>;

/**
 * Undefined from another implementation of Nexus, which sends no floor.
 *
 * @throws `PEER_BAD_ANSWER` for an invalid header
 */
export const readAnswer = (headers: Headers, url: string): RegistrationAnswer | undefined => {
  const floor = headers[GENERATION_FLOOR_HEADER];
  if (floor === undefined) return undefined;
  const generation = Generation.safeParse(/^\d{1,16}$/.test(floor) ? Number(floor) : undefined);
  if (!generation.success) throw badAnswer(url, 'generation floor', floor);
  const told = headers[FLOOR_DIGEST_HEADER];
  return {
    floor: { generation: generation.data, digest: told === undefined ? undefined : readDigest(told, url) },
    verdicts: readVerdicts(headers[HEADS_HEADER], url),
  };
};

const readDigest = (text: string, url: string): string => {
  const digest = SetDigest.safeParse(text);
  if (!digest.success) throw badAnswer(url, 'digest of the floor', text);
  return digest.data;
};

const readVerdicts = (header: string | undefined, url: string): RegistrationAnswer['verdicts'] => {
  if (header === undefined) return undefined;
  const verdicts = new Map<string, boolean>();
  for (const each of header.split(',').filter(text => text !== '')) {
    const [point = '', verdict] = each.trim().split('=');
    if (!PointText.safeParse(point).success || (verdict !== 'known' && verdict !== 'unknown'))
      throw badAnswer(url, 'verdict on a point', each);
    verdicts.set(point, verdict === 'known');
  }
  return verdicts;
};

const badAnswer = (url: string, what: string, value: string): DepotError =>
  new DepotError('PEER_BAD_ANSWER', `${url} sent the ${what} ${JSON.stringify(value.slice(0, 80))}`);
