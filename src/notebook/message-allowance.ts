/** Messages that a kernel may send at once: 1,000 cells that all run need about 3,000. */
export const MESSAGE_BURST = 20_000;
/** Messages a second that a kernel may go on sending. */
export const MESSAGES_PER_SECOND = 1_000;
