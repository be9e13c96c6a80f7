// Where block_gate.S finds what it looks at: offsets of BlockGate::State, and of tags from the end of a block's call;
// and what it passes on.
#pragma once

#define GATE_NUMBER_BITS 22
#define GATE_PAGE 4096

#define GATE_ROOM 0
#define GATE_LAST 8
#define GATE_REPEAT_TAG 12
#define GATE_REPEAT_LEFT 16
#define GATE_SLOW 24
#define GATE_ENGINE 40
#define GATE_CHECK 48
#define GATE_RDTSC 56
#define GATE_RDTSCP 64
#define GATE_PAUSE 72
#define GATE_LOOKUP 80
#define GATE_STI 88
#define GATE_FLAGS 96
#define GATE_IRET_REAL 104
#define GATE_IRET 112
#define GATE_SYSRET 120
#define GATE_STORE_8 128
#define GATE_STORE_16 136
#define GATE_STORE_32 144
#define GATE_STORE_64 152
#define GATE_SERVE 160
#define GATE_OPENS 168
#define GATE_WAITING 176
#define GATE_STORES 180
#define GATE_PROVE 184
#define GATE_CODE_PAGES 192

#define GATE_COUNTED_TAG 12
#define GATE_REPEATED_TAG 33

#define GATE_SERVE_RDTSC 0
#define GATE_SERVE_RDTSCP 1
#define GATE_SERVE_PAUSE 2

// The engine's TLB, from its processor's state: for each use (the low bits of a helper's third argument) a mask and the
// table's address; an entry's words, and what marks one whose stores the engine wants to see.
#define GATE_TLB (-0x40)
#define GATE_TLB_USES 15
#define GATE_ENTRY_SHIFT 6
#define GATE_ENTRY_WRITE 8
#define GATE_ENTRY_PHYSICAL 24
#define GATE_ENTRY_ADDEND 32
#define GATE_SEES_STORES 0x400
