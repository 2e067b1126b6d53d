/* tenon_plugin_kit.h -- what a backend written in C wants besides the contract itself: error
 * messages, the checks of its entry function, reading and writing of sized structs, facts about
 * dtypes and opcodes, and a walk over strided positions. Optional: a backend may use none of it.
 * C99 and C++17, header only, no state of its own.
 *
 *   static const TenonHost* host;
 *   TENON_EXPORT TenonStatus TENON_BACKEND_ENTRY(const TenonHost* given, const TenonBackend** out,
 * TenonError* error) { const TenonStatus status = tenon_keep_host(&host, given, "mydevice", error);
 *     if (status == TENON_OK) *out = &backend;
 *     return status;
 *   }
 *   ...
 *   if (index >= 2) return tenon_fail(error, TENON_INVALID_ARGUMENT, "mydevice: index %u of 2",
 * index);
 *
 * See tenon_kit_philox.h for random bits and tenon_kit_interpreter.h for a ready compute level. */
#ifndef TENON_PLUGIN_KIT_H_
#define TENON_PLUGIN_KIT_H_

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tenon/abi/tenon_backend.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- errors ------------------------------------------------------------------------------------
 */

/* Writes code and message into *error (which may be NULL) and returns the code. */
__attribute__((format(printf, 3, 4))) static inline TenonStatus tenon_fail(TenonError* error,
                                                                           TenonStatus code,
                                                                           const char* format,
                                                                           ...) {
  if (error != NULL && error->size > 8) {
    const size_t room =
        error->size - 8 < sizeof error->message ? error->size - 8 : sizeof error->message;
    va_list arguments;
    va_start(arguments, format);
    error->code = code;
    vsnprintf(error->message, room, format, arguments);
    va_end(arguments);
  }
  return code;
}

/* ---- entry -------------------------------------------------------------------------------------
 */

/* The whole of an entry function's duty: refuses a host of another version, keeps the first host
 * pointer in *kept, says yes again to the same pointer and FAILED_PRECONDITION to another. Safe
 * from several threads. */
static inline TenonStatus tenon_keep_host(const TenonHost** kept, const TenonHost* given,
                                          const char* backend, TenonError* error) {
  const TenonHost* none = NULL;
  if (given == NULL)
    return tenon_fail(error, TENON_INVALID_ARGUMENT, "%s: the host table is NULL", backend);
  if (given->size < 12 || given->abi_major != TENON_ABI_MAJOR ||
      given->abi_minor != TENON_ABI_MINOR ||
      given->size < sizeof(TenonHost)) { /* 12: size, major and minor can be read at all */
    return tenon_fail(
        error, TENON_INCOMPATIBLE,
        "%s: built for ABI %u.%u (host table of %u bytes), the host offers %u.%u (%u bytes)",
        backend, TENON_ABI_MAJOR, TENON_ABI_MINOR, (unsigned)sizeof(TenonHost),
        given->size < 12 ? 0u : given->abi_major, given->size < 12 ? 0u : given->abi_minor,
        given->size);
  }
  if (__atomic_compare_exchange_n(kept, &none, given, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) ||
      none == given) {
    return TENON_OK;
  }
  return tenon_fail(error, TENON_FAILED_PRECONDITION,
                    "%s: already serves another copy of Tenon in this process", backend);
}

/* ---- sized structs -----------------------------------------------------------------------------
 */

/* Reads a caller's struct of any minor version into our own: what it does not have reads as 0, and
 * the size becomes ours; a byte that we do not know and that is not 0 is a request we cannot
 * honour. */
static inline TenonStatus tenon_read_struct(void* own, uint32_t own_size, const void* given,
                                            const char* name, TenonError* error) {
  uint32_t size;
  if (given == NULL) return tenon_fail(error, TENON_INVALID_ARGUMENT, "%s is NULL", name);
  memcpy(&size, given, sizeof size);
  if (size < 8) return tenon_fail(error, TENON_INVALID_ARGUMENT, "%s has size %u", name, size);
  if (!tenon_struct_ok(given, own_size)) {
    return tenon_fail(error, TENON_UNSUPPORTED,
                      "%s: of its %u bytes some past the known %u are not 0", name, size, own_size);
  }
  memset(own, 0, own_size);
  memcpy(own, given, size < own_size ? size : own_size);
  memcpy(own, &own_size, sizeof own_size);
  return TENON_OK;
}

/* Fills a caller's struct (TenonDeviceProps) from ours, as far as it reaches; its size stays, its
 * tail becomes 0. */
static inline void tenon_write_struct(void* given, const void* own, uint32_t own_size) {
  uint32_t size;
  memcpy(&size, given, sizeof size);
  if (size < sizeof size) return;
  memset((char*)given + sizeof size, 0, size - sizeof size);
  memcpy(given, own, size < own_size ? size : own_size);
  memcpy(given, &size, sizeof size);
}

/* What a typed entry is asked besides its arguments: NULL, or a call with nothing that we do not
 * know. */
static inline TenonStatus tenon_check_call(const TenonCall* call, const char* backend,
                                           TenonError* error) {
  if (call == NULL) return TENON_OK;
  if (call->size < sizeof(TenonCall)) {
    return tenon_fail(error, TENON_INVALID_ARGUMENT, "%s: TenonCall of %u bytes", backend,
                      call->size);
  }
  if (!tenon_struct_ok(call, sizeof *call) ||
      (call->flags & ~(uint32_t)(TENON_CALL_DRY_RUN | TENON_CALL_DETERMINISTIC)) != 0) {
    return tenon_fail(error, TENON_UNSUPPORTED, "%s: unknown fields or flags %#x of a call",
                      backend, call->flags);
  }
  return TENON_OK;
}

/* ---- dtypes ------------------------------------------------------------------------------------
 */

/* Bytes of one element; 0 for a number that is no dtype. */
static inline uint32_t tenon_dtype_size(uint32_t dtype) {
  static const uint8_t sizes[TENON_DTYPE_COUNT] = {0, 1, 1, 1, 2, 2, 4,  4, 8,
                                                   8, 2, 2, 4, 8, 8, 16, 1, 1};
  return dtype < TENON_DTYPE_COUNT ? sizes[dtype] : 0;
}

static inline const char* tenon_dtype_name(uint32_t dtype) {
  static const char* const names[TENON_DTYPE_COUNT] = {
      "none", "bool", "u8",   "i8",  "u16", "i16", "u32",  "i32",      "u64",
      "i64",  "f16",  "bf16", "f32", "f64", "c64", "c128", "f8e4m3fn", "f8e5m2"};
  return dtype < TENON_DTYPE_COUNT ? names[dtype] : "unknown";
}

static inline int tenon_dtype_is_integer(uint32_t dtype) {
  return dtype >= TENON_U8 && dtype <= TENON_I64;
}
static inline int tenon_dtype_is_signed(uint32_t dtype) {
  return tenon_dtype_is_integer(dtype) && (dtype & 1u) != 0;
}
static inline int tenon_dtype_is_float(uint32_t dtype) {
  return dtype >= TENON_F16 && dtype <= TENON_F64;
}
/* Not among the floats above, in which programs compute. */
static inline int tenon_dtype_is_float8(uint32_t dtype) {
  return dtype == TENON_F8E4M3FN || dtype == TENON_F8E5M2;
}

/* ---- opcodes -----------------------------------------------------------------------------------
 */

/* -1 for a number that is no opcode. */
static inline int tenon_opcode_operands(uint32_t op) {
  switch (op) {
#define TENON_KIT_CASE(NAME, number, operands, kind) \
  case number:                                       \
    return operands;
    TENON_OPCODES(TENON_KIT_CASE)
#undef TENON_KIT_CASE
    default:
      return -1;
  }
}

static inline const char* tenon_opcode_name(uint32_t op) {
  switch (op) {
#define TENON_KIT_CASE(NAME, number, operands, kind) \
  case number:                                       \
    return #NAME;
    TENON_OPCODES(TENON_KIT_CASE)
#undef TENON_KIT_CASE
    default:
      return "unknown";
  }
}

/* Is `op` defined for operands of this dtype? (For opcodes without operands: for this result.) */
static inline int tenon_opcode_defined(uint32_t op, uint32_t dtype) {
  const int integer = tenon_dtype_is_integer(dtype), floating = tenon_dtype_is_float(dtype);
  const int computable = integer || floating || dtype == TENON_BOOL;
  switch (op) {
    case TENON_OP_INPUT:
    case TENON_OP_CAST: /* what it gives, too */
      return computable || tenon_dtype_is_float8(dtype);
    case TENON_OP_SCALAR:
    case TENON_OP_CONST:
    case TENON_OP_BITCAST:
    case TENON_OP_MIN:
    case TENON_OP_MAX:
    case TENON_OP_EQ:
    case TENON_OP_NE:
    case TENON_OP_LT:
    case TENON_OP_LE:
    case TENON_OP_SELECT: /* of the chosen values; the condition is bool */
      return computable;
    case TENON_OP_INDEX:
      return dtype == TENON_I64;
    case TENON_OP_PHILOX:
      return dtype == TENON_U64; /* gives u32 */
    case TENON_OP_ADD:
    case TENON_OP_SUB:
    case TENON_OP_MUL:
    case TENON_OP_DIV:
    case TENON_OP_REM:
    case TENON_OP_NEG:
    case TENON_OP_ABS:
    case TENON_OP_POW:
    case TENON_OP_SIGN:
      return integer || floating;
    case TENON_OP_AND:
    case TENON_OP_OR:
    case TENON_OP_XOR:
    case TENON_OP_NOT:
      return integer || dtype == TENON_BOOL;
    case TENON_OP_SHL:
    case TENON_OP_SHR:
      return integer;
    case TENON_OP_MULHI:
      return dtype == TENON_U32 || dtype == TENON_U64;
    default:
      return floating && op >= TENON_OP_FLOOR && op < TENON_OPCODE_COUNT;
  }
}

/* ---- positions ---------------------------------------------------------------------------------
 */

/* A walk over the positions of some axes of a shape, the last axis fastest:
 *   TenonPosition at = tenon_position_first(rank, sizes, 0xff);
 *   do visit(base + tenon_position_offset(&at, strides) * item); while (tenon_position_next(&at));
 */
typedef struct TenonPosition {
  uint32_t rank;
  uint32_t axes; /* bit d: axis d is walked; the others stay at 0 */
  int64_t at[TENON_ABI_MAX_RANK];
  int64_t sizes[TENON_ABI_MAX_RANK]; /* positive */
} TenonPosition;

static inline TenonPosition tenon_position_first(uint32_t rank, const int64_t* sizes,
                                                 uint32_t axes) {
  TenonPosition position;
  memset(&position, 0, sizeof position);
  position.rank = rank;
  position.axes = axes;
  memcpy(position.sizes, sizes, rank * sizeof *sizes);
  return position;
}

/* 0 when every position has been visited; the walk then stands at the first one again. */
static inline int tenon_position_next(TenonPosition* position) {
  uint32_t d;
  for (d = position->rank; d-- > 0;) {
    if ((position->axes >> d & 1u) == 0) continue;
    if (++position->at[d] < position->sizes[d]) return 1;
    position->at[d] = 0;
  }
  return 0;
}

/* In elements. */
static inline int64_t tenon_position_offset(const TenonPosition* position, const int64_t* strides) {
  int64_t offset = 0;
  uint32_t d;
  for (d = 0; d < position->rank; ++d) offset += position->at[d] * strides[d];
  return offset;
}

#ifdef __cplusplus
} /* extern "C" */
#endif
#endif /* TENON_PLUGIN_KIT_H_ */
