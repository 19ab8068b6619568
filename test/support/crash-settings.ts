/** What tells a broker's process where to be killed, and how it says where it is. */

/** At which point, by its name. */
export const AT = 'CRASH_AT'
/** The count begins when this file is there. */
export const ARMED = 'CRASH_ARMED'
/** By how many milliseconds the clock of the process is ahead. */
export const AHEAD = 'CRASH_CLOCK_AHEAD_MS'
/** Begins the line on standard error in which each point gives its name. */
export const POINT = 'crash point'
