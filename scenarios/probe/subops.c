/* Every sub-op number of every call that has sub-ops, and the calls without: twice each, with a pointer to nowhere and with an
 * argument of zeros. What is refused whatever the argument shows at once; the rows of models/xen/abi/states.def rest on this.
 * Left out are those that would end the domain or put its only vCPU to sleep. ELF only, 1 vCPU. */
#include "probe.h"

static unsigned char zeros[512] __attribute__((aligned(64)));

struct call {
  unsigned number, first, last;
  const char* name;
};

static long with(unsigned number, unsigned op, void* argument) {
  switch (number) {
    case __HYPERVISOR_vcpu_op: return xs_hypercall3(number, op, op == VCPUOP_down || op == VCPUOP_send_nmi ? 77 : 0, argument);
    case __HYPERVISOR_grant_table_op: return xs_grant_table_op(op, argument, 1);
    case __HYPERVISOR_console_io: return xs_console_io(op, 1, argument);
    default: return xs_hypercall2(number, op, argument);
  }
}

static int left_out(unsigned number, unsigned op) {
  return number == __HYPERVISOR_sched_op && (op == SCHEDOP_block || op == SCHEDOP_shutdown || op == SCHEDOP_shutdown_code);
}

/* Zeros would be a poll without end, and a watchdog that bites at once. */
static void will_end(unsigned op) {
  if (op == SCHEDOP_poll) ((struct sched_poll*)zeros)->timeout = 1;
  if (op == SCHEDOP_watchdog) ((struct sched_watchdog*)zeros)->timeout = 100000;
}

static void show(const struct call* call, unsigned op) {
  if (left_out(call->number, op)) return;
  const char* bad = xs_result(with(call->number, op, probe_edge()));
  memset(zeros, 0, sizeof zeros);
  if (call->number == __HYPERVISOR_sched_op) will_end(op);
  long r = with(call->number, op, zeros);
  /* A machine's size, and an assignment that the next line would see. */
  const char* good = call->number == __HYPERVISOR_memory_op && op == XENMEM_maximum_ram_page && r > 0 ? "some" : xs_result(r);
  if (call->number == __HYPERVISOR_memory_op && op == XENMEM_maximum_ram_page && r > 0) bad = "some";
  xs_printf("%s %u: bad pointer %s, zeros %s\n", call->name, op, bad, good);
}

static void show_call(unsigned number, const char* name) {
  memset(zeros, 0, sizeof zeros);
  const char* bad = xs_result(xs_hypercall(number, (unsigned long)probe_edge(), 0, 0, 0, 0));
  const char* good = xs_result(xs_hypercall(number, (unsigned long)zeros, 0, 0, 0, 0));
  xs_printf("%s: bad pointer %s, zeros %s\n", name, bad, good);
}

void xs_main(void) {
  const struct call calls[] = {
      {__HYPERVISOR_event_channel_op, 0, 15, "event_channel_op"},
      {__HYPERVISOR_sched_op, 0, 8, "sched_op"},
      {__HYPERVISOR_vcpu_op, 0, 16, "vcpu_op"},
      {__HYPERVISOR_grant_table_op, 0, 13, "grant_table_op"},
      {__HYPERVISOR_memory_op, 0, 29, "memory_op"},
      {__HYPERVISOR_xen_version, 0, 11, "xen_version"},
      {__HYPERVISOR_hvm_op, 0, 26, "hvm_op"},
      {__HYPERVISOR_physdev_op, 0, 32, "physdev_op"},
      {__HYPERVISOR_console_io, 0, 2, "console_io"},
  };
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
    for (unsigned op = calls[i].first; op <= calls[i].last; op++) show(&calls[i], op);
  for (unsigned type = 0; type < 7; type++) SHOW_AS(xs_vm_assist(VMASST_CMD_enable, type), "vm_assist 0, type %u", type);
  SHOW_AS(xs_vm_assist(VMASST_CMD_disable, VMASST_TYPE_runstate_update_flag), "vm_assist 1, type 5");
  SHOW_AS(xs_vm_assist(2, VMASST_TYPE_runstate_update_flag), "vm_assist 2, type 5");
  const struct {
    unsigned number;
    const char* name;
  } others[] = {{__HYPERVISOR_platform_op, "platform_op"}, {__HYPERVISOR_mmuext_op, "mmuext_op"}, {__HYPERVISOR_xsm_op, "xsm_op"},
                {__HYPERVISOR_sysctl, "sysctl"},           {__HYPERVISOR_domctl, "domctl"},       {__HYPERVISOR_argo_op, "argo_op"},
                {__HYPERVISOR_xenpmu_op, "xenpmu_op"},     {__HYPERVISOR_dm_op, "dm_op"},         {__HYPERVISOR_hypfs_op, "hypfs_op"},
                {__HYPERVISOR_arch_1, "arch_1"}};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) show_call(others[i].number, others[i].name);
  xs_success();
}
