// Where block_gate.S finds what it looks at: offsets of BlockGate::State, and of tags from the end of a block's call;
// and what it passes on.
#pragma once

#define GATE_NUMBER_BITS 22
#define GATE_PAGE 4096

#define GATE_ROOM 0
#define GATE_LAST 8
#define GATE_REPEAT_TAG 12
#define GATE_REPEAT_LEFT 16
#define GATE_WAITING 24
#define GATE_TLB_KNOWN 32
#define GATE_ENGINE 48
#define GATE_SLOW 56
#define GATE_SERVE 64
#define GATE_OPENS 72
#define GATE_PROVE 80
#define GATE_CODE_PAGES 88
#define GATE_FIND 96
#define GATE_FILL 104
// Where the engine's functions begin, in the order of engine_functions.def.
#define GATE_FUNCTIONS 112

#define GATE_COUNTED_TAG 12
#define GATE_REPEATED_TAG 33

#define GATE_SERVE_RDTSC 0
#define GATE_SERVE_RDTSCP 1
#define GATE_SERVE_PAUSE 2

#define GATE_FILL_READ 0
#define GATE_FILL_WRITE 1

// The engine's TLB, from its processor's state: for each use (the low bits of a helper's third argument) a mask and the
// table's address; an entry's words, and what marks one whose stores the engine wants to see.
#define GATE_TLB (-0x40)
#define GATE_TLB_USES 15
#define GATE_ENTRY_SHIFT 6
#define GATE_ENTRY_WRITE 8
#define GATE_ENTRY_CODE 16
#define GATE_ENTRY_PHYSICAL 24
#define GATE_ENTRY_ADDEND 32
#define GATE_SEES_STORES 0x400
