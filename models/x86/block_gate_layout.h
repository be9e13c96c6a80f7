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
#define GATE_SERVE 128
#define GATE_OPENS 136
#define GATE_WAITING 144

#define GATE_COUNTED_TAG 12
#define GATE_REPEATED_TAG 33

#define GATE_SERVE_RDTSC 0
#define GATE_SERVE_RDTSCP 1
#define GATE_SERVE_PAUSE 2
