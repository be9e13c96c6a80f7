// The structs whose fields make up a saved state, each with a table in *_fields.cc that names every field: what is
// saved, and under ar.skip() what is not and why. A test reads the headers and finds a field that its table forgot.
//
// To add a field: a line in the struct's table, and kStateVersion of save.h one higher.
#pragma once

#include "models/base/archive.h"
#include "models/xen/domain.h"
#include "models/xen/evtchn_fifo.h"
#include "models/xen/grant_table.h"
#include "models/xen/p2m.h"
#include "models/xen/state/core_reader.h"

namespace xensim {

// Nobody is inside the core while these are called.
#define XS_STATE_STRUCT(type)                          \
  template <>                                          \
  struct IsStateStruct<xen::type> : std::true_type {}; \
  template <>                                          \
  void xen::fields_of<xen::type>(StateArchive & ar, xen::type & object) XS_NO_THREAD_SAFETY_ANALYSIS

XS_STATE_STRUCT(RamRange);
XS_STATE_STRUCT(DomainConfig);
XS_STATE_STRUCT(Domain);
XS_STATE_STRUCT(HypercallRegs);
XS_STATE_STRUCT(Runstate);
XS_STATE_STRUCT(Vcpu);
XS_STATE_STRUCT(Pirq);
XS_STATE_STRUCT(PirqTable);
XS_STATE_STRUCT(Channel);
XS_STATE_STRUCT(EvtchnTable);
XS_STATE_STRUCT(FifoQueue);
XS_STATE_STRUCT(FifoState);
XS_STATE_STRUCT(ActiveEntry);
XS_STATE_STRUCT(GrantTable);
XS_STATE_STRUCT(MaptrackEntry);
XS_STATE_STRUCT(Maptrack);
XS_STATE_STRUCT(P2mEntry);
XS_STATE_STRUCT(MemoryRange);
XS_STATE_STRUCT(PageReferences);
XS_STATE_STRUCT(P2m);

#undef XS_STATE_STRUCT

}  // namespace xensim
