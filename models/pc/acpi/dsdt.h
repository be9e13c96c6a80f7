// The code of the DSDT: the sleep state S5, and on a PC its PCI bus with the interrupt routing and the ISA devices.
#pragma once

#include "models/pc/acpi/aml.h"

namespace xensim::pc {

// `pc` as in AcpiOptions.
AmlBytes make_dsdt(bool pc);

}  // namespace xensim::pc
