/** What became of an order to the pool. */
export type NodeTold =
  | { readonly kind: 'done'; readonly note: string }
  | { readonly kind: 'absent'; readonly reason: string }
  | { readonly kind: 'conflict'; readonly reason: string; readonly hint?: string };
