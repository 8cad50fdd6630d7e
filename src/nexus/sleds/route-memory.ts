/**
 * The memory of copies that failed at their source: M2 of sled-memory.ts. A route is a source and the sled that copies from it.
 *
 *     copy failed ─▶ the route, and the artifact on it, back off          copy accepted … artifact arrives ─▶ both forgotten
 *
 * RTE1. The source is at fault for this sled alone: others may reach it, and this sled may copy from others (B21).
 * RTE2. The route backs off for every artifact, so that a dead source costs one attempt and not one for each artifact; the
 *      artifact backs off on it by its own count, so that one bad copy does not end what else the source serves.
 * RTE3. Bounded: the sources of a sled and the artifacts of a route that failed longest ago are forgotten first.
 * RTE4. A source that was still receiving the artifact may have failed for one before it: the artifact backs off there, and nothing
 *      else that it serves.
 */
import type { ArtifactHash, SledId } from '../../core/ids.ts';
import { type Pair, pairKey, type RouteFailure, type RouteFailures } from '../../core/plan/input.ts';
import type { Rng } from '../../core/rng.ts';
import type { Clock } from '../../lib/clock.ts';
import { errorCodeOf, messageChain } from '../../lib/errors.ts';
import { type Failure, failAgain } from './failure.ts';

/** One attempt for all artifacts costs little, and a network that is whole again is to be noticed. */
const ROUTE_BACKOFF = { firstMs: 2_000, maxMs: 30_000 };
const ARTIFACT_BACKOFF = { firstMs: 2_000, maxMs: 300_000 };
const MAX_SOURCES_OF_SLED = 64;
const MAX_ARTIFACTS_OF_ROUTE = 256;

type Route = Failure & { readonly artifacts: Map<ArtifactHash, Failure> };

export type CopySource = {
  readonly id: SledId;
  /** When the copy was ordered, it was still receiving the artifact. */
  readonly isArriving?: boolean | undefined;
};

export type RouteMemory = {
  readonly failed: (id: SledId, sha256: ArtifactHash, error: unknown, source: CopySource) => void;
  readonly accepted: (id: SledId, sha256: ArtifactHash, source: CopySource) => void;
  readonly arrived: (id: SledId, sha256: ArtifactHash) => void;
  readonly failures: () => RouteFailures;
  readonly retain: (
    sleds: ReadonlySet<SledId>,
    artifacts: { readonly has: (sha256: ArtifactHash) => boolean },
  ) => void;
};

export const createRouteMemory = (deps: { readonly clock: Clock; readonly rng: Rng }): RouteMemory => {
  const bySled = new Map<SledId, Map<SledId, Route>>();
  const sources = new Map<string, Pair & { readonly source: CopySource }>();

  return {
    failed(id, sha256, error, { id: source, isArriving }) {
      const ordered = sources.get(pairKey(id, sha256))?.source;
      sources.delete(pairKey(id, sha256));
      const isPassedOn = isArriving ?? (ordered?.id === source && ordered.isArriving === true);
      const routes = bySled.get(id) ?? new Map<SledId, Route>();
      bySled.set(id, routes);
      const before = routes.get(source);
      const artifacts = before?.artifacts ?? new Map<ArtifactHash, Failure>();
      putLast(artifacts, sha256, failAgain(deps, artifacts.get(sha256), error, ARTIFACT_BACKOFF));
      const own = isPassedOn
        ? (before ?? notPaused(deps, error))
        : failAgain(deps, before, error, ROUTE_BACKOFF);
      putLast(routes, source, { ...own, artifacts });
      forgetOldest(artifacts, MAX_ARTIFACTS_OF_ROUTE);
      forgetOldest(routes, MAX_SOURCES_OF_SLED);
    },
    accepted: (id, sha256, source) => void sources.set(pairKey(id, sha256), { sledId: id, sha256, source }),
    arrived(id, sha256) {
      const routes = bySled.get(id);
      const key = pairKey(id, sha256);
      const source = sources.get(key)?.source.id;
      sources.delete(key);
      if (routes === undefined) return;
      for (const { artifacts } of routes.values()) artifacts.delete(sha256);
      if (source !== undefined) routes.delete(source);
      if (routes.size === 0) bySled.delete(id);
    },
    failures: () => bySled as ReadonlyMap<SledId, ReadonlyMap<SledId, RouteFailure>>,
    retain(sleds, wanted) {
      for (const [id, routes] of bySled) {
        for (const [source, { artifacts }] of routes) {
          if (!sleds.has(source)) routes.delete(source);
          for (const sha256 of artifacts.keys()) if (!wanted.has(sha256)) artifacts.delete(sha256);
        }
        if (!sleds.has(id) || routes.size === 0) bySled.delete(id);
      }
      for (const [key, { sledId, sha256, source }] of sources)
        if (!sleds.has(sledId) || !sleds.has(source.id) || !wanted.has(sha256)) sources.delete(key);
    },
  };
};

/** RTE4 */
const notPaused = ({ clock }: { readonly clock: Clock }, error: unknown): Failure => ({
  ...{ failures: 0, sinceMs: clock.nowMs(), untilMs: Number.NEGATIVE_INFINITY },
  ...{ code: errorCodeOf(error), because: messageChain(error) },
});

const putLast = <K, V>(map: Map<K, V>, key: K, value: V): void => {
  map.delete(key);
  map.set(key, value);
};

const forgetOldest = <K>(map: Map<K, unknown>, most: number): void => {
  for (const key of map.keys()) {
    if (map.size <= most) return;
    map.delete(key);
  }
};
