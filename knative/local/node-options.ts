// What a deployed program is run with, here and in the images (knative/images/Containerfile).

export const nodeOptions = [
  // V8's young generation: three times this, and 16 by itself. What a purchase needs is garbage
  // when it is answered; an instance is to fit into 120 MB.
  '--max-semi-space-size=4',
] as const;
