/** Handlers of the operator's API for the audit log. */
import { AuditActorView, type AuditEntryView, type operatorAuditApi } from '../../api/operator-audit-api.ts';
import type { AuditRow } from '../../core/audit-chain.ts';
import { parseAuditContent } from '../../core/facts/audit.ts';
import { auditText } from '../../core/facts/audit-text.ts';
import { toDetails } from '../../core/facts/details.ts';
import type { Handlers } from '../../http/handlers.ts';
import { isoTime } from '../../lib/clock.ts';
import type { AuditPort } from '../datastore/ports/audit-port.ts';
import { askedPage, pageView } from './results-page.ts';

export const createOperatorAuditApi = ({
  datastore,
}: {
  readonly datastore: Pick<AuditPort, 'auditList' | 'auditHead'>;
}): Handlers<typeof operatorAuditApi> => ({
  async auditList({ query, signal }) {
    const page = { ...askedPage(query), sortBy: query.sort_by ?? 'seq_descending' };
    return pageView(await datastore.auditList(page, { signal }), entryView);
  },
  auditHead: ({ signal }) => datastore.auditHead({ signal }),
});

const entryView = ({ seq, hash, content }: AuditRow): AuditEntryView => {
  const entry = parseAuditContent(content);
  if (entry === undefined) return { seq, hash, content, message: 'This is no entry of an audit log.' };
  const { id, timeMs, nexusId, actor, remoteAddress, requestId, details } = entry;
  return {
    ...{ seq, hash, content, id },
    time: isoTime(timeMs),
    actor: AuditActorView.parse(toDetails(actor)),
    nexus_id: nexusId,
    ...(remoteAddress !== undefined && { remote_address: remoteAddress }),
    ...(requestId !== undefined && { request_id: requestId }),
    action: details,
    message: auditText(entry),
  };
};
