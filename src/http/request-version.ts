/** The version of an API that a request names, and that a server has to know (AV1). */
import { API_VERSION_HEADER, type ApiVersion } from '../api/versions.ts';
import { DepotError } from '../lib/errors.ts';

/** Of a long or hostile header, in a message. */
const MAX_QUOTED_CHARS = 80;

/**
 * @param rawHeaders names and values in turn, as they came: a parser joins repeated ones
 * @throws DepotError `API_VERSION_UNKNOWN`
 */
export const requireKnownVersion = (rawHeaders: readonly string[], { known }: ApiVersion): void => {
  const named = rawHeaders.filter(
    (_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === API_VERSION_HEADER,
  );
  const [first, ...more] = named;
  if (first === undefined || (more.length === 0 && known.includes(first.trim()))) return;
  const quoted = JSON.stringify(first.slice(0, MAX_QUOTED_CHARS));
  const fault = more.length > 0 ? `occurs ${named.length} times` : `has the value ${quoted}`;
  throw new DepotError(
    'API_VERSION_UNKNOWN',
    `the header ${API_VERSION_HEADER} ${fault}, and this server knows the versions ${known.join(', ')}`,
    { detail: { known_versions: known.join(', ') } },
  );
};
