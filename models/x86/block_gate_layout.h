// Where block_gate.S finds what it looks at: offsets of BlockGate::State, and of tags from the end of a block's call.
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

#define GATE_COUNTED_TAG 12
#define GATE_REPEATED_TAG 33
