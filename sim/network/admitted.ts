/**
 * Handlers behind the decision of the real servers: who calls is compared with the audience of the route before anything else.
 *
 * AM1. What was admitted is reported with what the caller really is, for a checker that does not trust the decision.
 */
import type { Api } from '../../src/api/route.ts';
import { admit } from '../../src/http/caller.ts';
import type { ErasedHandler, Handlers } from '../../src/http/handlers.ts';
import type { Member } from '../identity/member.ts';
import { passportOf } from './request-context.ts';

export const admitted = <A extends Api>(api: A, handlers: Handlers<A>, member: Member): Handlers<A> => {
  const wrapped = Object.entries(api.routes).map(([name, route]) => {
    const handle = handlers[name as keyof A['routes']] as ErasedHandler;
    const guarded: ErasedHandler = async request => {
      const { params, query, caller } = request;
      admit(route, caller, { params, query, self: member.presents().identity });
      member.heard({ from: passportOf(caller), operationId: route.operationId, params });
      return handle(request);
    };
    return [name, guarded];
  });
  return Object.fromEntries(wrapped) as Handlers<A>;
};
