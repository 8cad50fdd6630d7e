/** The origin of a change, for its entry in the audit log. */
import type { AuditActor, AuditOrigin } from '../../core/facts/audit.ts';
import { AuditEntryId, type NexusId } from '../../core/ids.ts';
import { type Caller, type Operator, operatorOf } from '../../http/caller.ts';

type Parts = { readonly nexusId: NexusId; readonly newId: () => string };

/** Of a request that an operator sent: a new entry for each call. @throws DepotError `UNAUTHORIZED` without one */
export type OriginOf = (request: { readonly caller: Caller; readonly requestId: string }) => AuditOrigin;

export const createOriginOf =
  ({ nexusId, newId }: Parts): OriginOf =>
  ({ caller, requestId }) => ({
    entryId: AuditEntryId.parse(newId()),
    nexusId,
    actor: actorOf(operatorOf(caller)),
    remoteAddress: caller.address,
    requestId,
  });

export type OriginOfMachine = (request: {
  readonly caller: Pick<Caller, 'address'>;
  readonly requestId: string;
}) => AuditOrigin;

/** Of a machine that joins with an invitation: the change names it. */
export const createOriginOfMachine =
  ({ nexusId, newId }: Parts): OriginOfMachine =>
  ({ caller, requestId }) => ({
    entryId: AuditEntryId.parse(newId()),
    nexusId,
    actor: { kind: 'invited_machine' },
    remoteAddress: caller.address,
    requestId,
  });

const actorOf = ({ id, role }: Operator): AuditActor =>
  id === 'break-glass' ? { kind: 'break_glass' } : { kind: 'token', tokenId: id, role };

/** Of what a Nexus does by its configuration. */
export const originOfNexus = ({ nexusId, newId }: Parts): AuditOrigin => ({
  entryId: AuditEntryId.parse(newId()),
  nexusId,
  actor: { kind: 'nexus' },
  remoteAddress: undefined,
  requestId: undefined,
});
