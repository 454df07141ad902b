export default function Nano() { return null; }
