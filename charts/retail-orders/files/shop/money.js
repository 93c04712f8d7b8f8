// Amounts are whole minor units (cents) inside, and decimal strings on the wire: never a float.

export const text = (minor) => `${Math.trunc(minor / 100)}.${String(minor % 100).padStart(2, "0")}`;

export const total = (lines) => lines.reduce((sum, line) => sum + line.price * line.quantity, 0);
