/** The common options of the verbs, and the shape of their lists. */

export type Wait = { readonly signal: AbortSignal };

export type Page = { readonly limit: number; readonly pageToken?: string | undefined };
export type Paged<T> = { readonly items: readonly T[]; readonly nextPage?: string | undefined };
