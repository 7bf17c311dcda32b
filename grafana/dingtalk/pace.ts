// DingTalk takes 20 messages of a robot a minute, and nothing for ten minutes from one that sends
// more: https://open.dingtalk.com/document/robots/custom-robot-access

/** Two fewer: its minute does not begin when ours does. */
export const messagesMax = 18;
const perMs = 60_000;

/** Says whether one more message may be sent now; never more than `messagesMax` in any minute. */
export function createPace(now: () => number): () => boolean {
  let sentAtMs: number[] = [];
  return () => {
    const nowMs = now();
    sentAtMs = sentAtMs.filter((atMs) => nowMs - atMs < perMs);
    if (sentAtMs.length >= messagesMax) return false;
    sentAtMs.push(nowMs);
    return true;
  };
}
