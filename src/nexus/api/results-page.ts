/** Pages of the datastore on the wire of the APIs. */
import type { PageQuery } from '../../api/wire.ts';
import type { Page, Paged } from '../datastore/ports/verb.ts';

export const askedPage = ({ limit, page_token: pageToken }: PageQuery): Page => ({ limit, pageToken });

export const pageView = <T, View>(
  { items, nextPage }: Paged<T>,
  view: (item: T) => View,
): { items: View[]; next_page: string | null } => ({ items: items.map(view), next_page: nextPage ?? null });
