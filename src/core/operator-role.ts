/** The roles of operators: each may do what the roles before it may. */
import { z } from 'zod';

/**
 * `viewer` reads; `operator` changes releases and machines; `admin` decides whom the fleet trusts: trust roots, exemptions of
 * releases, statements, tokens, invitations and the machines that ask to join, sleds that speak plain HTTP, recoveries, and the
 * deletion of the last release.
 */
export const OPERATOR_ROLES = ['viewer', 'operator', 'admin'] as const;
export const OperatorRole = z.enum(OPERATOR_ROLES);
export type OperatorRole = z.infer<typeof OperatorRole>;

export const mayActAs = (role: OperatorRole, least: OperatorRole): boolean =>
  OPERATOR_ROLES.indexOf(role) >= OPERATOR_ROLES.indexOf(least);
