#include "tests/tidy/layers.h"

#include <array>

namespace xensim::tidy {

std::span<const Layer> layers() {
  static const std::array kLayers = {
      Layer{"models/base/", {"models/base/"}},
      // The core.
      Layer{"models/xen/abi/", {"models/base/", "models/xen/abi/"}},
      Layer{"models/xen/api/", {"models/base/", "models/xen/abi/", "models/xen/api/"}},
      Layer{"models/xen/", {"models/base/", "models/xen/"}},
      Layer{"models/xen/state/", {"models/base/", "models/xen/"}},
      Layer{"models/xen/testing/", {"models/base/", "models/xen/api/", "models/xen/testing/"}},
      // The software CPU.
      Layer{"models/x86/engine/", {"models/base/", "models/x86/engine/"}},
      Layer{"models/x86/fast/", {"models/base/", "models/x86/"}},
      Layer{"models/x86/", {"models/base/", "models/x86/"}},
      // The platform around it.
      Layer{"models/pc/device/", {"models/base/", "models/pc/device/"}},
      Layer{"models/pc/acpi/", {"models/base/", "models/pc/acpi/", "models/pc/device/"}},
      Layer{"models/pc/load/", {"models/base/", "models/pc/load/"}},
      Layer{"models/pc/", {"models/base/", "models/pc/"}},
      // Microsoft's interface of a hypervisor, which Xen offers beside its own.
      Layer{"models/viridian/", {"models/base/", "models/pc/device/", "models/viridian/"}},
      // Services behind event channels and grants.
      Layer{"models/pv/", {"models/base/", "models/xen/abi/", "models/xen/api/", "models/pv/"}},
      Layer{"models/pv/xenstore/", {"models/base/", "models/xen/abi/", "models/xen/api/", "models/pv/"}},
      Layer{"traces/", {"models/base/", "models/xen/abi/", "models/xen/api/", "traces/"}},
      Layer{"traces/testing/", {"models/base/", "models/xen/abi/", "models/xen/api/", "traces/"}},
      // The bench, bottom up. A row's last folder is the room itself.
      Layer{"sim/fiber/", {"models/base/", "sim/fiber/"}},
      Layer{"sim/scenario/",
            {"models/base/", "models/viridian/groups.h", "models/xen/api/", "traces/", "sim/scenario/"}},
      Layer{"sim/boot/", {"models/base/", "models/pc/device/", "sim/boot/"}},
      Layer{"sim/guest/",
            {"models/base/", "models/pc/", "models/pv/", "models/viridian/", "models/xen/api/", "traces/", "sim/boot/",
             "sim/scenario/", "sim/guest/"}},
      Layer{"sim/machine/",
            {"models/base/", "models/xen/abi/", "models/xen/api/", "traces/", "sim/fiber/", "sim/scenario/",
             "sim/machine/"}},
      Layer{"sim/machine/invariants/", {"models/base/", "models/xen/api/", "sim/scenario/", "sim/machine/invariants/"}},
      Layer{"sim/machine/snapshot/", {"models/base/", "models/xen/api/", "traces/", "sim/scenario/", "sim/machine/"}},
      Layer{"sim/native/",
            {"models/base/", "models/pc/load/", "scenarios/guest/", "sim/scenario/", "sim/machine/", "sim/native/"}},
      Layer{"sim/soft/",
            {"models/base/", "models/x86/", "models/pc/pc_devices.h", "traces/", "sim/scenario/", "sim/guest/",
             "sim/machine/", "sim/soft/"}},
      Layer{"sim/process/", {"models/base/", "sim/machine/", "sim/process/"}},
      Layer{"sim/explore/strategies/",
            {"models/base/", "models/xen/abi/", "traces/", "sim/scenario/", "sim/machine/", "sim/explore/strategies/"}},
      Layer{"sim/explore/search/", {"models/base/", "sim/machine/", "sim/explore/search/"}},
      Layer{"sim/run/",
            {"models/base/", "models/xen/api/", "traces/", "sim/scenario/", "sim/machine/", "sim/native/", "sim/soft/",
             "sim/explore/strategies/", "sim/run/"}},
      Layer{"sim/explore/",
            {"models/base/", "models/xen/abi/", "traces/", "sim/scenario/", "sim/machine/", "sim/process/", "sim/run/",
             "sim/explore/"}},
      Layer{"sim/replay/",
            {"models/base/", "models/xen/abi/", "models/xen/api/", "traces/", "sim/fiber/", "sim/replay/"}},
      Layer{"sim/oracle/",
            {"models/base/", "models/viridian/groups.h", "sim/scenario/", "sim/process/", "sim/run/", "sim/oracle/"}},
      Layer{"sim/cli/", {"models/base/", "models/xen/abi/", "models/xen/api/", "traces/", "sim/"}},
      // On top of all: each may include everything but the other.
      Layer{"tests/", {"models/", "sim/", "traces/", "kvm-backend/", "scenarios/", "tests/"}, true},
      Layer{"bench/", {"models/", "sim/", "traces/", "kvm-backend/", "scenarios/", "bench/"}, true},
      // C of guests, with include paths of its own; the kit's layout is shared with the native backend.
      Layer{"scenarios/", {"scenarios/"}, true},
  };
  return kLayers;
}

const Layer* layer_of(std::string_view folder) {
  for (const Layer& layer : layers()) {
    if (layer.with_folders_below ? folder.starts_with(layer.folder) : folder == layer.folder) return &layer;
  }
  return nullptr;
}

}  // namespace xensim::tidy
