/**
 * What a release needs after its upload, before sleds store all of it: an exemption, if signatures do not cover every artifact.
 *
 *     recorded ─▶ its bundle ─┬─ signed, or exempted before ─▶ nothing
 *                             ├─ a person asked for it ─▶ statement of the admin key, where there is one ─▶ exempted
 *                             └─ otherwise ─▶ the answer names the command
 *
 * UX1. What is asked of Nexus here comes after the upload: if it fails, the release is recorded all the same, and the answer says so.
 */
import type { SystemVersion } from '../../core/ids.ts';
import { subjectOf } from '../../core/statement.ts';
import { DepotError, findDepotError, messageChain } from '../../lib/errors.ts';
import type { Depot } from '../connection/depot-client.ts';
import { bundleOf, exemptRelease } from '../connection/exempt-release.ts';
import { hasAdminKey, listStatements, type Signer } from '../connection/statements.ts';
import { printable } from '../output/style.ts';

export type Exemption =
  | { readonly state: 'not_needed' }
  | { readonly state: 'exempted'; readonly statement_id?: string }
  /** `signature`: only a statement of an admin key counts in this fleet. */
  | { readonly state: 'needed'; readonly by: 'signature' | 'word' }
  | { readonly state: 'unknown'; readonly problem: string };

/** Exempts it where signatures do not cover it. @throws DepotError as {@link exemptRelease}, saying that the release is recorded (UX1) */
export const exemptUploaded = async (
  depot: Depot,
  signer: Signer | undefined,
  version: SystemVersion,
  nowMs: number,
): Promise<Exemption> => {
  try {
    const bundle = await bundleOf(depot, version);
    if (bundle?.kind === 'signed') return { state: 'not_needed' };
    const { statement_id } = await exemptRelease(depot, signer, { systemVersion: version, bundle }, nowMs);
    return { state: 'exempted', ...(statement_id !== undefined && { statement_id }) };
  } catch (cause) {
    const refusal = findDepotError(cause);
    if (refusal === undefined) throw cause;
    throw new DepotError(refusal.code, `release ${version} is recorded, but is not exempted`, {
      cause,
      detail: { remedy: `when the cause is mended: tuf-depot repo exempt ${version}` },
    });
  }
};

/** Without changing anything (UX1). */
export const exemptionOf = async (depot: Depot, version: SystemVersion): Promise<Exemption> => {
  try {
    const bundle = await bundleOf(depot, version);
    if (bundle === undefined || bundle.kind === 'signed') return { state: 'not_needed' };
    const stated = await listStatements(depot);
    const hasKey = hasAdminKey(stated);
    const subject = subjectOf({ kind: 'exempt_release', systemVersion: version, bundle: bundle.sha256 });
    const isStated = stated?.items.some(each => each.subject === subject && each.state === 'verified');
    if (hasKey ? isStated : bundle.exempted) return { state: 'not_needed' };
    return { state: 'needed', by: hasKey ? 'signature' : 'word' };
  } catch (error) {
    if (findDepotError(error) === undefined) throw error;
    return { state: 'unknown', problem: messageChain(error) };
  }
};

/** For people; undefined where there is nothing to do. */
export const exemptionText = (exemption: Exemption, version: SystemVersion): string | undefined => {
  const command = `tuf-depot repo exempt ${version}`;
  switch (exemption.state) {
    case 'not_needed':
      return undefined;
    case 'exempted':
      return `signatures do not cover every artifact of it: exempted${exemption.statement_id === undefined ? ', by the word of this Nexus' : `, by the signed statement ${exemption.statement_id}`}`;
    case 'needed':
      return exemption.by === 'signature'
        ? `signatures do not cover every artifact of it; sleds that require signatures withhold the others until an admin signs an exemption: ${command}`
        : `signatures do not cover every artifact of it; sleds that require signatures withhold the others until an admin exempts it: ${command}`;
    case 'unknown':
      return `whether signatures cover every artifact is not known (${printable(exemption.problem)}): tuf-depot repo show ${version}`;
  }
};
