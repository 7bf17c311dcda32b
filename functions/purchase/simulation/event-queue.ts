// A binary heap: the earliest comes out first.

export interface EventQueue<T> {
  add(value: T): void;
  first(): T | undefined;
  take(): T | undefined;
}

export function createQueue<T>(isEarlier: (one: T, other: T) => boolean): EventQueue<T> {
  const heap: T[] = [];
  const at = (index: number) => heap[index] as T;
  const swap = (one: number, other: number) => {
    [heap[one], heap[other]] = [at(other), at(one)];
  };

  function rise(from: number): void {
    for (let index = from; index > 0; ) {
      const parent = (index - 1) >> 1;
      if (!isEarlier(at(index), at(parent))) return;
      swap(index, parent);
      index = parent;
    }
  }

  function sink(): void {
    for (let index = 0; ; ) {
      let first = index;
      for (const child of [2 * index + 1, 2 * index + 2]) {
        if (child < heap.length && isEarlier(at(child), at(first))) first = child;
      }
      if (first === index) return;
      swap(index, first);
      index = first;
    }
  }

  return {
    add(value) {
      heap.push(value);
      rise(heap.length - 1);
    },
    first: () => heap[0],
    take() {
      const first = heap[0];
      const last = heap.pop();
      if (heap.length > 0 && last !== undefined) {
        heap[0] = last;
        sink();
      }
      return first;
    },
  };
}
