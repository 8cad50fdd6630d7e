/** Handlers of the operator's API for the audit log. */
import { AuditActorView, type AuditEntryView, type operatorAuditApi } from '../../api/operator-audit-api.ts';
import type { AuditRow } from '../../core/audit-chain.ts';
import { parseAuditContent } from '../../core/facts/audit.ts';
import { auditText } from '../../core/facts/audit-text.ts';
import { toDetails } from '../../core/facts/details.ts';
import type { Handlers } from '../../http/handlers.ts';
import type { Clock } from '../../lib/clock.ts';
import { isoTime } from '../../lib/clock.ts';
import type { SledConnection } from '../../sled-client/sled-connection.ts';
import { keptHeadsBody } from '../../sled-wire/audit-heads.ts';
import type { AuditPort } from '../datastore/ports/audit-port.ts';
import type { SledPort } from '../datastore/ports/sled-port.ts';
import { askAuditHeads } from '../sleds/audit-heads.ts';
import { inServiceTargets } from '../sleds/in-service.ts';
import { askedPage, pageView } from './results-page.ts';

export const createOperatorAuditApi = ({
  datastore,
  connection,
  clock,
}: {
  readonly datastore: Pick<AuditPort, 'auditList' | 'auditHead'> & Pick<SledPort, 'sledList'>;
  readonly connection: Pick<SledConnection, 'scheme' | 'auditHeads'>;
  readonly clock: Clock;
}): Handlers<typeof operatorAuditApi> => ({
  async auditList({ query, signal }) {
    const page = { ...askedPage(query), sortBy: query.sort_by ?? 'seq_descending' };
    return pageView(await datastore.auditList(page, { signal }), entryView);
  },
  auditHead: ({ signal }) => datastore.auditHead({ signal }),
  async auditSledHeads({ signal }) {
    const targets = await inServiceTargets({ datastore, connection }, signal);
    const asked = await askAuditHeads({ connection, clock }, targets, { signal });
    return {
      sleds: asked.map(({ target: { id, serial }, answer }) => ({
        sled_id: id,
        serial,
        ...(answer.kind === 'heads' ? keptHeadsBody(answer.heads) : { message: answer.message }),
      })),
    };
  },
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
