/** How many minutes lie between two ticks: a cloud's scheduler counts in them, and `tickMinutes` says how seldom it shall look. */
export const minutesBetween = (everySeconds: number, tickMinutes: number): number =>
  Math.max(tickMinutes, Math.ceil(everySeconds / 60));
