/**
 * Every error that a person or a program can meet, by code: its HTTP status and its retry advice.
 *
 * `docs/errors.md` explains each code and its remedy; `errors.test.ts` compares the two in both directions.
 *
 * - `never`: the same request gets the same answer; something in it has to change first.
 * - `refresh`: the caller's view is stale; read it again, then decide.
 * - `backoff`: nothing is wrong with the request; wait, then send it again.
 */
export type RetryAdvice = 'never' | 'refresh' | 'backoff';

export type ErrorCodeEntry = { readonly status: number; readonly retry: RetryAdvice };

export const errorCodes = {
  // Any server or command.
  INTERNAL: { status: 500, retry: 'backoff' },
  INVALID_REQUEST: { status: 400, retry: 'never' },
  API_VERSION_UNKNOWN: { status: 400, retry: 'never' },
  UNAUTHORIZED: { status: 401, retry: 'never' },
  FORBIDDEN: { status: 403, retry: 'never' },
  NOT_FOUND: { status: 404, retry: 'never' },
  METHOD_NOT_ALLOWED: { status: 405, retry: 'never' },
  HOST_NOT_SERVED: { status: 421, retry: 'never' },
  CROSS_SITE_REQUEST: { status: 403, retry: 'never' },
  TOO_MANY_REQUESTS: { status: 429, retry: 'backoff' },
  BODY_TOO_LARGE: { status: 413, retry: 'never' },
  BODY_INCOMPLETE: { status: 400, retry: 'backoff' },
  BODY_STALLED: { status: 408, retry: 'backoff' },
  SHUTTING_DOWN: { status: 503, retry: 'backoff' },
  CONFIG_INVALID: { status: 400, retry: 'never' },
  USAGE: { status: 400, retry: 'never' },
  IDENTITY_REQUIRED: { status: 500, retry: 'never' },
  ADDRESS_IN_USE: { status: 500, retry: 'never' },
  LISTEN_NOT_LOOPBACK: { status: 500, retry: 'never' },
  IN_USE_BY_PROCESS: { status: 500, retry: 'never' },
  IO: { status: 500, retry: 'backoff' },
  NO_SPACE: { status: 507, retry: 'backoff' },

  // Talking to a peer.
  PEER_UNREACHABLE: { status: 503, retry: 'backoff' },
  PEER_STALLED: { status: 504, retry: 'backoff' },
  PEER_BAD_ANSWER: { status: 502, retry: 'backoff' },
  PEER_RANGE_IGNORED: { status: 502, retry: 'never' },
  PEER_IDENTITY: { status: 502, retry: 'backoff' },

  // The sled agent and its Repo Depot.
  NO_ARTIFACT_CONFIG: { status: 404, retry: 'backoff' },
  CONFIG_GENERATION: { status: 409, retry: 'refresh' },
  ARTIFACT_GENERATION: { status: 409, retry: 'refresh' },
  ARTIFACT_NOT_IN_CONFIG: { status: 400, retry: 'refresh' },
  ARTIFACT_WITHHELD: { status: 409, retry: 'refresh' },
  BUNDLE_INVALID: { status: 400, retry: 'never' },
  ARTIFACT_HASH_MISMATCH: { status: 400, retry: 'never' },
  ARTIFACT_PREFIX_MISMATCH: { status: 400, retry: 'backoff' },
  ARTIFACT_NOT_HELD: { status: 404, retry: 'refresh' },
  RANGE_NOT_SATISFIABLE: { status: 416, retry: 'never' },
  AWAITING_FLOOR: { status: 503, retry: 'backoff' },
  SLED_BUSY: { status: 429, retry: 'backoff' },
  TOO_MANY_LEASES: { status: 429, retry: 'backoff' },
  COPY_SOURCE: { status: 502, retry: 'refresh' },
  NO_USABLE_DATASET: { status: 503, retry: 'backoff' },
  DATASET_VERSION: { status: 500, retry: 'never' },

  // Nexus: releases and the fleet.
  NO_TRUST_ROOT: { status: 400, retry: 'never' },
  UNTRUSTED_SIGNATURES: { status: 400, retry: 'never' },
  METADATA_INVALID: { status: 400, retry: 'never' },
  METADATA_EXPIRED: { status: 400, retry: 'never' },
  METADATA_ROLLBACK: { status: 400, retry: 'never' },
  RELEASE_CONFLICT: { status: 409, retry: 'never' },
  ARTIFACT_CONFLICT: { status: 409, retry: 'never' },
  RELEASE_IN_USE: { status: 409, retry: 'never' },
  RELEASE_NOT_COMPLETE: { status: 400, retry: 'backoff' },
  TARGET_RELEASE_REFUSED: { status: 400, retry: 'never' },
  RECOVERY_NOT_NEEDED: { status: 400, retry: 'never' },
  RECOVERY_CHANGED: { status: 409, retry: 'refresh' },
  RECOVERY_LOSES_ARTIFACTS: { status: 409, retry: 'never' },
  RECOVERY_SLED_SILENT: { status: 409, retry: 'never' },
  SLED_DECOMMISSIONED: { status: 403, retry: 'never' },
  SLED_NOT_PLAIN: { status: 403, retry: 'never' },
  SLED_PENDING: { status: 403, retry: 'backoff' },
  SLED_IN_SERVICE: { status: 409, retry: 'never' },
  SLED_CERTIFICATE_VALID: { status: 409, retry: 'never' },
  REGISTRATION_STALE: { status: 409, retry: 'backoff' },
  NEXUS_ALIVE: { status: 409, retry: 'never' },
  SLED_BYTES_DIFFER: { status: 502, retry: 'never' },
  TOO_MANY_UPLOADS: { status: 429, retry: 'backoff' },
  TOO_MANY_TOKENS: { status: 409, retry: 'never' },
  INVITATION_INVALID: { status: 401, retry: 'never' },
  JOIN_NOT_APPROVED: { status: 403, retry: 'backoff' },
  JOIN_DENIED: { status: 403, retry: 'never' },
  INVITATION_USED: { status: 409, retry: 'never' },
  SLED_KEY_IN_USE: { status: 409, retry: 'never' },
  SLED_SERIAL_DIFFERS: { status: 409, retry: 'never' },
  NEXUS_ID_DIFFERS: { status: 409, retry: 'never' },
  NEXUS_EXPUNGED: { status: 403, retry: 'never' },
  TOO_MANY_INVITATIONS: { status: 409, retry: 'backoff' },
  STATEMENT_REFUSED: { status: 400, retry: 'never' },
  NO_AUTHORITY_KEY: { status: 501, retry: 'never' },
  FLEET_SPACE: { status: 507, retry: 'backoff' },
  STAGING_DAMAGED: { status: 500, retry: 'never' },

  // Archives and the verification of releases.
  ARCHIVE_INVALID: { status: 400, retry: 'never' },
  ARCHIVE_LIMIT: { status: 413, retry: 'never' },
  ARCHIVE_DAMAGED: { status: 400, retry: 'never' },
  TARGET_MISSING: { status: 400, retry: 'never' },
  TARGET_LENGTH_MISMATCH: { status: 400, retry: 'never' },
  TARGET_HASH_MISMATCH: { status: 400, retry: 'never' },
  COMPOSITE_INVALID: { status: 400, retry: 'never' },
  VERIFIER_DIED: { status: 500, retry: 'backoff' },

  // Repository metadata and releases.
  METADATA_MISSING: { status: 400, retry: 'never' },
  VERIFICATION_LIMIT: { status: 413, retry: 'never' },
  METADATA_MISMATCH: { status: 400, retry: 'never' },
  ROOTS_ONLY: { status: 400, retry: 'never' },
  ROOT_CHAIN_BROKEN: { status: 400, retry: 'never' },
  RELEASE_DOCUMENT_INVALID: { status: 400, retry: 'never' },
  SIGNING_KEY_INVALID: { status: 400, retry: 'never' },

  // Repositories that are fetched.
  SOURCE_REDIRECT: { status: 502, retry: 'never' },
  SOURCE_TOO_LARGE: { status: 502, retry: 'never' },

  // The database.
  DATABASE_UNAVAILABLE: { status: 503, retry: 'backoff' },
  DATABASE_CONTENTION: { status: 503, retry: 'backoff' },
  COMMIT_UNCERTAIN: { status: 503, retry: 'backoff' },
  DATABASE_CONTENT: { status: 500, retry: 'never' },
  WANTED_SET_DIGEST: { status: 500, retry: 'never' },
  WANTED_SET_TOO_LARGE: { status: 409, retry: 'never' },
  SCHEMA_VERSION: { status: 500, retry: 'never' },
  EMBEDDED_POSTGRES: { status: 500, retry: 'never' },

  // The local fleet and the demo.
  CHILD_FAILED: { status: 500, retry: 'never' },
  DEMO_FAILED: { status: 500, retry: 'never' },
} as const satisfies Record<string, ErrorCodeEntry>;

export type ErrorCode = keyof typeof errorCodes;
