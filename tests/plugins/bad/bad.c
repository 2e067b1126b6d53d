/* bad.c -- mini with one defect each, chosen with -DDEFECT="name"; the file is
 * libtenon_backend_<name>.so. What the loader must make of them (a refusal says which plugin, what
 * was wrong and with which value):
 *
 *   wrong_major     exports tenon_backend_entry_v1 only          refused: built for major version 1
 *   no_entry        exports no entry at all                      refused: not a Tenon backend
 *   incompatible    the entry function answers INCOMPATIBLE      refused, with its message
 *   entry_fails     the entry function answers INTERNAL          refused, with its message
 *   no_table        answers OK and leaves *out NULL              refused
 *   minor           the table has another minor version          refused (version 0 wants the very
 * same) null_function   copy_d2h is NULL                             refused: names the function
 *   half_streams    a streams group without event_wait           refused: names the function
 *   half_compute    kernel_create without kernel_launch          refused: names the function
 *   other_name      the table calls itself "somebody_else"       refused: file and name differ
 *   Bad-Name        a name outside [a-z0-9_]{1,31}               refused
 *   tiny_table      size 3 in the root table                     refused
 *   huge_table      size 0x7ffffff8 in the root table            refused
 *   tiny_core       size 1 in the core table                     refused
 *   cut_core        a core table that ends before mem_free       refused: names the first required
 * function missing missing_symbol  needs a function that nobody has             refused, with the
 * dynamic linker's message missing_library needs a library that nobody has (BUILD)      refused,
 * with the dynamic linker's message count_fails     device_count answers INTERNAL loads; no
 * devices, with its message no_devices      device_count answers 0 and says why          loads; no
 * devices, with its message small_limits    max_operands is 2                            its device
 * is refused: 2 of at least 8 open_fails      device_open answers INTERNAL                 loads;
 * using the device is an error with its message short_core      an older core table, ends before
 * compute     loads; a device that only stores future          longer tables, an unknown backend
 * flag       loads and works */
#define TENON_BACKEND_STATIC_ENTRY mini_entry
#include "tenon/abi/tenon_backend.h"
#undef TENON_EXPORT
#define TENON_EXPORT static
#include <stddef.h>

#include "tests/plugins/mini/mini.c"

#ifndef BAD_ENTRY
#define BAD_ENTRY tenon_backend_entry_v0
#endif

static int has(const char* defect) { return strcmp(DEFECT, defect) == 0; }

static TenonStatus bad_count(uint32_t* count, TenonError* error) {
  if (has("count_fails"))
    return tenon_fail(error, TENON_INTERNAL, "%s: the driver is older than the device", DEFECT);
  *count = 0;
  tenon_fail(error, TENON_OK, "%s: no such hardware in this machine", DEFECT);
  return TENON_OK;
}

static TenonStatus bad_open(uint32_t index, TenonDevice* device, TenonError* error) {
  (void)index, (void)device;
  return tenon_fail(error, TENON_INTERNAL, "%s: another process uses the device", DEFECT);
}

static TenonStatus bad_props(uint32_t index, TenonDeviceProps* props, TenonError* error) {
  const TenonStatus status = device_props(index, props, error);
  props->max_operands = 2;
  return status;
}

static TenonStatus bad_call(void) { return TENON_INTERNAL; } /* for a table that must not be used */

#ifdef BAD_NEEDS_SYMBOL
extern int tenon_nobody_defines_this(void);
#else
static int tenon_nobody_defines_this(void) { return 0; }
#endif

/* A later version's tables: this one's, then what only a later host knows. */
static struct {
  TenonBackend table;
  uint64_t later[4];
} bad_backend;
static struct {
  TenonCoreOps table;
  uint64_t later[4];
} bad_core;
static TenonStreamOps bad_streams;

__attribute__((visibility("default"))) TenonStatus BAD_ENTRY(const TenonHost* given,
                                                             const TenonBackend** out,
                                                             TenonError* error);
TenonStatus BAD_ENTRY(const TenonHost* given, const TenonBackend** out, TenonError* error) {
  const TenonStatus status = mini_entry(given, out, error);
  TenonBackend* backend_table = &bad_backend.table;
  TenonCoreOps* core_table = &bad_core.table;
  if (status != TENON_OK) return status;
  *backend_table = **out;
  *core_table = *backend_table->core;
  backend_table->core = core_table;
  backend_table->name = has("other_name") ? "somebody_else" : DEFECT;
  *out = backend_table;
  if (has("incompatible"))
    return tenon_fail(error, TENON_INCOMPATIBLE, "%s: needs a host of ABI 0.7", DEFECT);
  if (has("entry_fails"))
    return tenon_fail(error, TENON_INTERNAL, "%s: the licence has expired", DEFECT);
  if (has("no_table")) *out = NULL;
  if (has("minor")) backend_table->abi_minor += 1;
  if (has("null_function")) core_table->copy_d2h = NULL;
  if (has("half_compute")) core_table->kernel_launch = NULL;
  if (has("tiny_table")) backend_table->size = 3;
  if (has("huge_table")) backend_table->size = 0x7ffffff8u;
  if (has("tiny_core")) core_table->size = 1;
  if (has("cut_core")) core_table->size = offsetof(TenonCoreOps, mem_free);
  if (has("short_core")) core_table->size = offsetof(TenonCoreOps, kernel_create);
  if (has("count_fails") || has("no_devices")) core_table->device_count = bad_count;
  if (has("open_fails")) core_table->device_open = bad_open;
  if (has("small_limits")) core_table->device_props = bad_props;
  if (has("missing_symbol")) backend_table->flags = (uint32_t)tenon_nobody_defines_this();
  if (has("half_streams")) { /* all but event_wait; core must see that before it calls any */
    void (**functions)(void) = (void (**)(void))(void*)&bad_streams.stream_create;
    size_t i;
    bad_streams.size = sizeof bad_streams;
    for (i = 0; i < 10; ++i) functions[i] = (void (*)(void))bad_call;
    bad_streams.event_wait = NULL;
    backend_table->streams = &bad_streams;
  }
  if (has("future")) {
    backend_table->size = sizeof bad_backend;
    core_table->size = sizeof bad_core;
    backend_table->flags |= 0x40000000u;
    memset(bad_backend.later, 0xab, sizeof bad_backend.later);
    memset(bad_core.later, 0xab, sizeof bad_core.later);
  }
  return TENON_OK;
}
