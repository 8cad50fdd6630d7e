/**
 * What to do about an error, by code: the one text that `docs/errors.md` and the command line have.
 *
 * Without marks of code, which the document adds.
 */
import type { ErrorCode } from './error-codes.ts';

export const errorRemedies = {
  // Any server or command.
  INTERNAL: 'Try again; if the error persists, report it with the lines of the log.',
  INVALID_REQUEST: 'Correct it; the OpenAPI documents have the shapes.',
  API_VERSION_UNKNOWN:
    'Name one of the versions that the message lists, or leave the header out for the newest one.',
  UNAUTHORIZED:
    'Log in with a valid token: tuf-depot login ADDRESS. Or give one: --token-file FILE, TUF_DEPOT_TOKEN_FILE or TUF_DEPOT_TOKEN, or --data DIRECTORY for a fleet of tuf-depot start; in the API the header Authorization: Bearer TOKEN. An admin makes one with tuf-depot token create. Without any, use the break-glass token of the Nexus: the file that token_file in its configuration names, by default nexus-token beside it. A process of the fleet presents a valid certificate instead: tuf-depot identity show FILE.',
  FORBIDDEN: 'Use the identity, or a token with the role, that the message names.',
  NOT_FOUND: 'List the existing ones, and correct the name.',
  METHOD_NOT_ALLOWED: 'Use one of them.',
  HOST_NOT_SERVED:
    'Use the address that the server listens on, or add the name to allowed_hosts in its configuration file.',
  CROSS_SITE_REQUEST:
    'If you did not cause it, close that page. Programs send neither Origin nor Sec-Fetch-Site.',
  TOO_MANY_REQUESTS: 'Send fewer requests at once, and this one again after the time in Retry-After.',
  BODY_TOO_LARGE:
    'Send less, or raise the limit in the configuration (limits.repository_bytes for an upload).',
  BODY_INCOMPLETE: 'Send the whole request again.',
  BODY_STALLED: 'Check the network or the disk of the slow side, then send the request again.',
  SHUTTING_DOWN: 'Ask another instance, or this one after its restart.',
  CONFIG_INVALID: 'Correct the file and start again.',
  USAGE: 'See tuf-depot COMMAND --help.',
  IDENTITY_REQUIRED:
    'Make the files, and name them in the section [identity], as the message says. A fleet that ran without identities is upgraded with the page in docs/operations.md.',
  ADDRESS_IN_USE: 'Stop it (ss -ltnp names it), or configure another port.',
  LISTEN_NOT_LOOPBACK:
    'Listen on a loopback address, or leave operator_transport out: then operators connect with TLS.',
  IN_USE_BY_PROCESS: 'Stop that process, or configure another directory.',
  IO: 'Fix the cause (permissions, disk), then try again.',
  NO_SPACE:
    'Free space on that disk, or wait for the transfers in flight (tuf-depot status), then try again.',

  // Talking to a peer.
  PEER_UNREACHABLE:
    'Check that the other process runs, and that its address is right (on the command line --url or TUF_DEPOT_URL; tuf-depot login --list shows that of a login).',
  PEER_STALLED: 'Check its load, its disk and the network in between.',
  PEER_BAD_ANSWER: 'Check that it is the expected program and version; its log has the request id.',
  PEER_RANGE_IGNORED: 'Ask for a range that begins earlier.',
  PEER_IDENTITY:
    'Check that the address belongs to that process, and that this side trusts the authority of its fleet: tuf-depot login ADDRESS, --ca-file FILE or TUF_DEPOT_CA_FILE on the command line, ca_file in a configuration. After the authority was replaced, log in again, and compare its digest. tuf-depot identity show FILE shows whom a certificate names, who issued it and until when it is valid. Renew one that has expired with tuf-depot identity issue. Compare the clocks of both machines. If one side does not speak TLS, give it an [identity], or correct http or https in the address.',

  // Nexus: releases and the fleet.
  NO_TRUST_ROOT: 'Add the root that signs your releases: tuf-depot trust-root add FILE.',
  UNTRUSTED_SIGNATURES:
    'Sign it with the right keys. Or, if you trust its signers, compare the fingerprints and add their root: tuf-depot trust-root add FILE.',
  METADATA_INVALID: 'Build and sign the repository again.',
  METADATA_EXPIRED:
    'Sign the metadata again with a later expiry. Only an upload can override the check, which is recorded: repo upload --allow-expired, in the API allow_expired=true.',
  METADATA_ROLLBACK:
    'Upload the newer release, or sign this one again with higher versions. Only an upload can override the check, which is recorded: repo upload --allow-rollback, in the API allow_rollback=true.',
  RELEASE_CONFLICT: 'Give the new content a new version.',
  ARTIFACT_CONFLICT:
    'Give the file the same version in both releases: in their artifact documents, or with repo assemble --manifest.',
  RELEASE_IN_USE: 'Set another target release first: tuf-depot target-release set VERSION.',
  RELEASE_NOT_COMPLETE: 'Wait for it: tuf-depot repo wait VERSION. Or override the check: --force.',
  TARGET_RELEASE_REFUSED:
    'Choose another release; after a concurrent change, read the status and decide again.',
  RECOVERY_NOT_NEEDED: 'Nothing.',
  RECOVERY_CHANGED: 'Plan again: tuf-depot recover generation.',
  RECOVERY_LOSES_ARTIFACTS:
    'Upload the releases that list them, then recover; or give up by name what may be deleted: --give-up SHA256, --give-up VERSION of a deleted release, or --give-up GENERATION:DIGEST for all of a config.',
  RECOVERY_SLED_SILENT:
    'Start a sled that holds one of them; or, on the machine of a sled that does, with its agent stopped: tuf-depot sled-agent reset --config FILE.',
  SLED_DECOMMISSIONED:
    'Take it out of use; or put it in service again with tuf-depot sled set-policy ID in-service.',
  SLED_NOT_PLAIN:
    'Let the machine join (tuf-depot sled invite), which gives it an identity; or approve it at the address that it registers from, as an admin: tuf-depot sled set-transport ID plain --address ADDRESS.',
  SLED_PENDING:
    'If it is a sled of this fleet, approve it as an admin: tuf-depot sled approve ID. It registers within a minute then, and keeps its files until then.',
  SLED_IN_SERVICE: 'Stop its agent for good, and expunge it first: tuf-depot sled set-policy ID expunged.',
  SLED_CERTIFICATE_VALID:
    'Forget it after the time in the message. Until then it stays expunged, and does not count.',
  REGISTRATION_STALE:
    'If another machine has the same serial and part, or the same sled_id, in its configuration, correct that one. Otherwise wait: ten minutes after the last registration of the other process this one counts.',
  NEXUS_ALIVE:
    'Stop it first, and wait for three heartbeats. Expunge only a Nexus that is gone for good; or one whose key somebody else has, with --compromised.',
  SLED_BYTES_DIFFER:
    "Check that sled's disks; take it out of service with sled set-policy until it is repaired.",
  TOO_MANY_UPLOADS: 'Wait for one of them to end, or upload to another Nexus.',
  TOO_MANY_TOKENS: 'Revoke tokens that nobody uses: tuf-depot token list, tuf-depot token revoke ID.',
  INVITATION_INVALID:
    'Make a new invitation, and use its whole token: tuf-depot sled invite, or tuf-depot nexus invite for a Nexus.',
  JOIN_NOT_APPROVED:
    'Compare the digest of the key with the one on the machine, then approve it as an admin: tuf-depot sled approve SHA256. The machine waits for that.',
  JOIN_DENIED:
    'If it was denied by mistake, approve it as an admin: tuf-depot sled approve SHA256. Then run the same command again.',
  INVITATION_USED:
    'If this machine has not joined, somebody else has the token and joined with it: expunge the process that the message names with tuf-depot sled set-policy ID expunged, or tuf-depot nexus expunge ID. Then make a new invitation: tuf-depot sled invite, or tuf-depot nexus invite.',
  SLED_KEY_IN_USE:
    'Invite the sled that the message names: tuf-depot sled invite --sled ID. Or move the files of identity away on the machine, so that it joins with a new key, or gets a certificate with one: tuf-depot identity issue with another --out.',
  SLED_SERIAL_DIFFERS:
    'If the token or the identity is on the wrong machine, move it to the one that the message names. If serial in sled-agent.toml is wrong, correct it. If the machine was replaced, invite it by its own: tuf-depot sled invite --sled ID --serial SERIAL. If it reports none, install this version there.',
  NEXUS_ID_DIFFERS:
    'Invite the Nexus that the message names: tuf-depot nexus invite --id ID. Or name another staging_directory, and move the files of identity away on the machine, so that it joins as a new Nexus.',
  NEXUS_EXPUNGED:
    'Invite a new Nexus: tuf-depot nexus invite. Nothing puts an expunged one in service again.',
  TOO_MANY_INVITATIONS: 'Wait until some of them are used or have expired.',
  STATEMENT_REFUSED:
    'Sign it with the admin key of this fleet, whose public part is identity.admin_key_file of this Nexus: --admin-key FILE.',
  NO_AUTHORITY_KEY:
    'Ask a Nexus that has identity.authority_directory in its configuration, or give this one the directory of the authority and restart it.',
  FLEET_SPACE:
    'Delete a release that is no longer wanted (tuf-depot repo list, tuf-depot repo delete VERSION), or raise the quota of the sleds.',
  STAGING_DAMAGED:
    'Restore it; or, for an upload, send the archive again and remove the files of that upload id.',

  // The sled agent and its Repo Depot.
  NO_ARTIFACT_CONFIG:
    "Nothing: Nexus sends the config in its next round. If the error persists, check the sled's registration (tuf-depot sled show).",
  CONFIG_GENERATION:
    'Read the config from the database again; Nexus does so by itself. If the database was restored or failed over without some of its commits: tuf-depot recover generation.',
  ARTIFACT_GENERATION: 'Put the config first, then repeat the request at its generation.',
  ARTIFACT_NOT_IN_CONFIG: 'Nothing, if its release was deleted; otherwise put the config that lists it.',
  ARTIFACT_WITHHELD:
    'Nothing, if the release was uploaded a moment ago: Nexus sends its metadata in the next round. Otherwise tuf-depot status names the release and the remedy: send the missing root, or exempt the release with tuf-depot repo exempt VERSION.',
  BUNDLE_INVALID:
    'Send the bundle as Nexus made it. If Nexus sent it, its database was changed: upload the archive of the release again.',
  ARTIFACT_HASH_MISMATCH:
    'Find the origin of the bytes: a sled that sends them has a bad copy; an archive that contains them is damaged.',
  ARTIFACT_PREFIX_MISMATCH:
    'Nothing, if it happens once: the artifact is transferred again, without this comparison. If every transfer from one source fails, that source has a bad copy.',
  ARTIFACT_NOT_HELD: 'Fetch it from another sled (tuf-depot artifact show lists the sleds that hold it).',
  RANGE_NOT_SATISFIABLE: 'Ask for a range that exists.',
  AWAITING_FLOOR:
    "Nothing, if a Nexus runs; otherwise start one, or correct nexus in the sled agent's configuration.",
  SLED_BUSY:
    "Retry after Retry-After seconds. If this happens often while the disks are idle, raise limits in the sled agent's configuration.",
  TOO_MANY_LEASES:
    'Return leases that are no longer needed (GET /artifacts/{sha256}/leases lists them), or wait until some expire.',
  COPY_SOURCE:
    'Name another source. If all fail, check the network between the sleds, and depot_listen of the source.',
  NO_USABLE_DATASET:
    'On the machine of the sled, look at each dataset that the message names. Mount its disk, free space on it, or make it writable for the user of the sled agent; if its file system does not support fsync of a directory, as some of FUSE and of networks, use another; on a new sled create the directories of datasets in its configuration. Then start the sled agent again. tuf-depot sled show SLED has the state of each dataset.',
  DATASET_VERSION: 'Start that version, or a later one.',

  // Archives and the verification of releases.
  ARCHIVE_INVALID:
    'Send the archive as it was built. If you did, build it with tuf-depot repo assemble, or with zip -r -X and no further options.',
  ARCHIVE_LIMIT:
    'Make the release smaller, store large entries without compression (zip -0), or raise the limit in the configuration of the Nexus, [limits].',
  ARCHIVE_DAMAGED: 'Send the archive again from an undamaged copy.',
  TARGET_MISSING: 'Build the repository again, with all of its targets.',
  TARGET_LENGTH_MISMATCH:
    'Build the repository again from undamaged files, or sign it again if the file is right.',
  TARGET_HASH_MISMATCH:
    'Build the repository again from undamaged files, or sign it again if the file is right.',
  COMPOSITE_INVALID: 'Build the artifact again, or list it under the right kind.',
  VERIFIER_DIED: 'Send the archive again; if it fails again, look for the cause in the log.',

  // Repository metadata and releases.
  METADATA_MISSING: 'Build the whole repository again.',
  VERIFICATION_LIMIT:
    'Sign the repository with fewer delegations, path patterns or keys; succinct hash bins take the least work.',
  METADATA_MISMATCH: 'Build and sign the repository again.',
  ROOTS_ONLY: 'Upload it: it moves the trust root forward.',
  ROOT_CHAIN_BROKEN:
    'Put every N.root.json from the trust root on into the repository, or add its newest root as a trust root.',
  RELEASE_DOCUMENT_INVALID: 'Correct the document, and build and sign the repository again.',
  SIGNING_KEY_INVALID: 'Do what the message says; tuf-depot never overwrites a key.',

  // Repositories that are fetched.
  SOURCE_REDIRECT: 'If you trust that origin, configure its address as the source.',
  SOURCE_TOO_LARGE: 'Check the server; raise the limit of the source only if the file is right.',

  // The database.
  DATABASE_UNAVAILABLE:
    'Start it, make it reachable or finish the failover; Nexus continues by itself. Do not send an upload with an upload_id again: poll GET /v1/system/update/uploads/{upload_id}, as repo upload does.',
  DATABASE_CONTENTION: 'Try again; if it lasts, look for a program or a person that writes all the time.',
  COMMIT_UNCERTAIN: 'Check whether it was made, or repeat the request, which is idempotent.',
  DATABASE_CONTENT: 'Correct what was changed by hand, or restore a backup.',
  WANTED_SET_DIGEST: 'Find the cause of the change; restore a backup.',
  WANTED_SET_TOO_LARGE: 'Delete a release first.',
  SCHEMA_VERSION:
    'Older database: tuf-depot db migrate. Newer database: install the version of tuf-depot that migrated it.',
  EMBEDDED_POSTGRES: 'Follow the message, or configure the URL of your own database.',

  // The local fleet and the demo.
  CHILD_FAILED: 'Read the log that the message names, fix the cause, and start again.',
  DEMO_FAILED:
    'Run tuf-depot start --data DIRECTORY and upload the same release. Then run tuf-depot status --data DIRECTORY and tuf-depot artifact show HASH --data DIRECTORY, and report the failure with the files in DIRECTORY/logs.',
} as const satisfies Record<ErrorCode, string>;
