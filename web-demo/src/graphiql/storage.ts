const KEPT = /^graphiql:(theme|visiblePlugin|\w+Flex)$/;

/**
 * GraphiQL's storage: only looks and layout are kept beyond the page. Queries and variables stay in memory, because
 * people type passwords into them.
 */
export function createStorage() {
  const memory = new Map<string, string>();
  return {
    get length() {
      return memory.size;
    },
    clear: () => memory.clear(),
    getItem: (name: string) =>
      KEPT.test(name) ? localStorage.getItem(name) : (memory.get(name) ?? null),
    removeItem: (name: string) => {
      if (KEPT.test(name)) localStorage.removeItem(name);
      else memory.delete(name);
    },
    setItem: (name: string, value: string) => {
      if (KEPT.test(name)) localStorage.setItem(name, value);
      else memory.set(name, value);
    },
  };
}
