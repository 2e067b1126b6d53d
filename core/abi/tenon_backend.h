/* tenon_backend.h -- the contract between Tenon's core and a device backend. Version 0 (not
 * frozen).
 *
 * A backend is a shared library `libtenon_backend_<name>.so` that exports ONE function, named by
 * TENON_BACKEND_ENTRY. Core hands it a table of host services and gets a table of functions back.
 * Twelve of them are required; everything else may be NULL and core finds another way.
 *
 *   static const TenonCoreOps core = {sizeof core, 0, count, props, open, ...};
 *   static const TenonBackend backend = {sizeof backend, TENON_ABI_MAJOR, TENON_ABI_MINOR, 0,
 *                                        "mydevice", "me", "0.1", &core};
 *   TENON_EXPORT TenonStatus TENON_BACKEND_ENTRY(const TenonHost* host, const TenonBackend** out,
 *                                                TenonError* error) { ...; *out = &backend; return
 * 0; }
 *
 * Data rules. Fixed-width integers, double and pointers only; little-endian, 64-bit; no implicit
 * padding (checked with -Wpadded). Zero always means "default" or "absent". Structs travel by
 * pointer and begin with their size; a reader takes min(size, its own size) bytes and answers
 * UNSUPPORTED when a byte it does not know is not zero (tenon_struct_ok). Function tables are the
 * exception: what a reader does not know of them it ignores. TenonTensor, TenonInstr, TenonOperand
 * and TenonReducer travel in arrays and have no size: they are frozen with the major version.
 * Units: strides in elements, offsets in bytes. Handles are opaque 64-bit numbers, 0 is none.
 * Strings are UTF-8, NUL-terminated and live as long as the process.
 *
 * Ownership. Arguments, programs and arrays belong to the caller and are valid during the call
 * only. Devices, buffers, streams, events and kernels are created and destroyed by core alone,
 * children before parents. A plugin is never unloaded.
 *
 * Threads. Any function may be called from any thread. Core never names one stream in two calls at
 * once, nor destroys what another call is using; everything else may run concurrently, unless the
 * backend sets TENON_BACKEND_SERIALIZE_CALLS. Core holds no registry or allocator lock meanwhile.
 *
 * The numbered MUSTs, with the check that proves each, are in ABI.md. */
#ifndef TENON_BACKEND_H_
#define TENON_BACKEND_H_

#include <stdint.h>

#ifdef __cplusplus
#define TENON_NOEXCEPT noexcept
extern "C" {
#else
#define TENON_NOEXCEPT
#endif

#define TENON_ABI_MAJOR 0u
#define TENON_ABI_MINOR 3u
#define TENON_ABI_MAX_RANK 8
#define TENON_ENTRY_SYMBOL "tenon_backend_entry_v0"

/* Backends that are linked into the program define TENON_BACKEND_STATIC_ENTRY to a name of their
 * own, so that several fit into one executable; build_defs does this. */
#ifdef TENON_BACKEND_STATIC_ENTRY
#define TENON_BACKEND_ENTRY TENON_BACKEND_STATIC_ENTRY
#else
#define TENON_BACKEND_ENTRY tenon_backend_entry_v0
#endif
#define TENON_EXPORT __attribute__((visibility("default")))

/* ---- status ------------------------------------------------------------------------------------
 */

typedef int32_t TenonStatus;
enum {
  TENON_OK = 0,
  TENON_UNSUPPORTED = 1, /* promises: nothing enqueued, outputs untouched; core goes another way */
  TENON_INVALID_ARGUMENT = 2,
  TENON_OUT_OF_MEMORY = 3, /* promises the same; core trims its cache, synchronises, tries again */
  TENON_DEVICE_LOST = 4,   /* from then on every call but close, free and destroy answers this */
  TENON_INTERNAL = 5,
  TENON_NOT_READY = 6, /* only from stream_query and event_query */
  TENON_FAILED_PRECONDITION = 7,
  TENON_INCOMPATIBLE = 8 /* only from the entry function: the host's version does not suit */
};

/* Caller-owned; may be NULL. The message says what was refused and the offending values. */
typedef struct TenonError {
  uint32_t size;
  int32_t code;
  char message[504];
} TenonError;

typedef uint64_t TenonDevice;
typedef uint64_t
    TenonBuffer; /* on a HOST_ADDRESSABLE device: an address; core may pass any address */
typedef uint64_t TenonStream; /* 0 is the device's default stream */
typedef uint64_t TenonEvent;
typedef uint64_t TenonKernel;

/* ---- dtypes ------------------------------------------------------------------------------------
 */

enum {
  TENON_BOOL = 1, /* one byte, 0 or 1 */
  TENON_U8 = 2,
  TENON_I8 = 3,
  TENON_U16 = 4,
  TENON_I16 = 5,
  TENON_U32 = 6,
  TENON_I32 = 7,
  TENON_U64 = 8,
  TENON_I64 = 9,
  TENON_F16 = 10,
  TENON_BF16 = 11,
  TENON_F32 = 12,
  TENON_F64 = 13,
  TENON_C64 = 14,      /* storage and typed entries only: no program computes in it */
  TENON_C128 = 15,     /* likewise */
  TENON_F8E4M3FN = 16, /* storage (tenon_float8.h): programs know INPUT and CAST of it alone */
  TENON_F8E5M2 = 17,   /* likewise */
  TENON_DTYPE_COUNT = 18
};
#define TENON_DTYPE_BIT(dtype) (1ull << (dtype))

/* ---- opcodes -----------------------------------------------------------------------------------
 */

// clang-format off
/* X(NAME, number, operands, kind), kind R (required) or O (optional; core decomposes it when the
 * bit in TenonDeviceProps.opcodes is off). "Required" means: as a program of this one opcode, on
 * every dtype of the device's compute mask for which the opcode is defined.
 *
 * Result dtype is TenonInstr.dtype; operands have the same dtype, except where the list says
 * otherwise. Each instruction rounds to its dtype; f16 and bf16 compute in f32 and then round to
 * nearest even. No contraction, no elision of casts. Domains: N = all but bool; F = f16 bf16 f32
 * f64; I = integers.
 *
 *   INPUT    operand number `imm` of the launch (inputs come before outputs)
 *   SCALAR   slot number `imm` of the launch, raw bits of dtype in the low bytes
 *   CONST    raw bits of dtype in `imm`
 *   INDEX    i64: index_base + sum over axes of position * index_strides
 *   CAST     any to any but complex. Float to int saturates, NaN gives 0; int narrowing wraps; to
 *            bool is (x != 0), so NaN is true; from f64 or an integer to f16, bf16 or an 8-bit
 *            float is one rounding; what an 8-bit float cannot hold is infinity (f8e5m2), NaN
 *            (f8e4m3fn)
 *   BITCAST  between dtypes of one size, bool excluded
 *   ADD SUB MUL NEG ABS   N; integers wrap, ABS of the least integer is itself
 *   DIV REM  N; integers truncate toward zero, x/0 = 0, x rem 0 = 0, MIN/-1 = MIN, MIN rem -1 = 0;
 *            float REM is C's fmod
 *   MIN MAX  all; NaN if either is NaN; the sign of a zero is free
 *   AND OR XOR NOT        bool and I (NOT of a bool is logical)
 *   SHL SHR  I; a shift by the width or more, or by a negative count, gives 0 (SHR of a negative
 *            number: -1); SHR is arithmetic for signed types
 *   EQ NE LT LE           result bool, operands any equal dtype (complex excluded)
 *   SELECT   a is bool; b where a is true, else c
 *   FLOOR CEIL TRUNC RINT (half to even) SQRT EXP LOG SIN COS TANH ERF   F
 *   POW      N; floats as C's pow; integers by repeated multiplication with wrapping, a negative
 *            exponent gives 0 except for bases 1 and -1
 *   FMA      F; a * b + c rounded once (f16, bf16: fma in f32, then rounded)
 *   PHILOX   result u32; a = counter (u64), b = key (u64): word (a mod 4) of Philox4x32-10 with
 *            counter words {lo(a div 4), hi(a div 4), 0, 0} and key words {lo(b), hi(b)} (Salmon et
 *            al., SC 2011)
 *
 * Optional ones are F, except SIGN (N; sign of NaN is NaN, of -0 is -0), COPYSIGN (F), MULHI (u32,
 * u64: high half of the product). */
// clang-format on
#define TENON_OPCODES(X) \
  X(INPUT, 1, 0, R)      \
  X(SCALAR, 2, 0, R)     \
  X(CONST, 3, 0, R)      \
  X(INDEX, 4, 0, R)      \
  X(CAST, 5, 1, R)       \
  X(BITCAST, 6, 1, R)    \
  X(ADD, 7, 2, R)        \
  X(SUB, 8, 2, R)        \
  X(MUL, 9, 2, R)        \
  X(DIV, 10, 2, R)       \
  X(REM, 11, 2, R)       \
  X(MIN, 12, 2, R)       \
  X(MAX, 13, 2, R)       \
  X(NEG, 14, 1, R)       \
  X(ABS, 15, 1, R)       \
  X(AND, 16, 2, R)       \
  X(OR, 17, 2, R)        \
  X(XOR, 18, 2, R)       \
  X(NOT, 19, 1, R)       \
  X(SHL, 20, 2, R)       \
  X(SHR, 21, 2, R)       \
  X(EQ, 22, 2, R)        \
  X(NE, 23, 2, R)        \
  X(LT, 24, 2, R)        \
  X(LE, 25, 2, R)        \
  X(SELECT, 26, 3, R)    \
  X(FLOOR, 27, 1, R)     \
  X(CEIL, 28, 1, R)      \
  X(TRUNC, 29, 1, R)     \
  X(RINT, 30, 1, R)      \
  X(SQRT, 31, 1, R)      \
  X(EXP, 32, 1, R)       \
  X(LOG, 33, 1, R)       \
  X(SIN, 34, 1, R)       \
  X(COS, 35, 1, R)       \
  X(TANH, 36, 1, R)      \
  X(ERF, 37, 1, R)       \
  X(POW, 38, 2, R)       \
  X(FMA, 39, 3, R)       \
  X(PHILOX, 40, 2, R)    \
  X(RSQRT, 41, 1, O)     \
  X(RECIP, 42, 1, O)     \
  X(EXP2, 43, 1, O)      \
  X(EXPM1, 44, 1, O)     \
  X(LOG2, 45, 1, O)      \
  X(LOG10, 46, 1, O)     \
  X(LOG1P, 47, 1, O)     \
  X(TAN, 48, 1, O)       \
  X(ASIN, 49, 1, O)      \
  X(ACOS, 50, 1, O)      \
  X(ATAN, 51, 1, O)      \
  X(ATAN2, 52, 2, O)     \
  X(SINH, 53, 1, O)      \
  X(COSH, 54, 1, O)      \
  X(ASINH, 55, 1, O)     \
  X(ACOSH, 56, 1, O)     \
  X(ATANH, 57, 1, O)     \
  X(ERFC, 58, 1, O)      \
  X(ERFINV, 59, 1, O)    \
  X(LGAMMA, 60, 1, O)    \
  X(DIGAMMA, 61, 1, O)   \
  X(COPYSIGN, 62, 2, O)  \
  X(SIGN, 63, 1, O)      \
  X(MULHI, 64, 2, O)

enum {
#define TENON_OPCODE_ENUM(name, number, operands, kind) TENON_OP_##name = number,
  TENON_OPCODES(TENON_OPCODE_ENUM)
#undef TENON_OPCODE_ENUM
      TENON_OPCODE_COUNT = 65
};

/* ---- programs ----------------------------------------------------------------------------------
 */

/* Value number i is the result of instruction i; a, b, c name earlier values. Frozen. */
typedef struct TenonInstr {
  uint16_t op, dtype, a, b, c, flags;
  uint32_t reserved;
  uint64_t imm;
} TenonInstr;

/* A pure function from inputs and scalars to outputs, one element at a time. In single static
 * assignment, topologically ordered, without dead code. `content_hash` is equal for equal programs.
 */
typedef struct TenonProgram {
  uint32_t size, flags;
  uint32_t n_instr, n_inputs, n_outputs, n_scalars;
  const TenonInstr* instr;
  const uint32_t* outputs; /* n_outputs value numbers */
  uint64_t content_hash;
} TenonProgram;

/* What a reducer accumulates over the reduced axes. The value is cast to acc_dtype first; for
 * ARGMIN and ARGMAX acc_dtype is i64, the result's, and the value is compared in its own dtype. */
enum {
  TENON_SUM = 1, /* order of accumulation is free but fixed by the shapes alone */
  TENON_PROD = 2,
  TENON_MIN = 3, /* propagates NaN, as MIN */
  TENON_MAX = 4,
  TENON_ANY = 5, /* bool */
  TENON_ALL = 6, /* bool */
  TENON_ARGMIN =
      7, /* accumulator (i64): the smallest `key` among the elements whose `value` is least; */
  TENON_ARGMAX = 8, /* ... greatest. A NaN wins over every number. */
  TENON_MOMENTS = 9 /* three accumulators: count, mean, sum of squared deviations from the mean */
};
typedef struct TenonReducer {
  uint16_t kind, acc_dtype;
  uint16_t value; /* value number of the program */
  uint16_t key;   /* ARGMIN, ARGMAX: value number (i64) of what is returned */
  uint64_t reserved;
} TenonReducer; /* frozen */

/* A map kernel (n_reducers == 0): every output of `program` is written for every element.
 * A reduce kernel: `program` (no outputs) computes the reducers' values for every element; the
 * accumulators become the inputs of `epilogue` (numbered in the order of the reducers, MOMENTS
 * gives three), whose outputs are the kernel's; it is never NULL then and has no INDEX. Both
 * programs share the scalar slots. */
typedef struct TenonKernelDesc {
  uint32_t size, flags;
  const TenonProgram* program;
  const TenonProgram* epilogue;
  const TenonReducer* reducers;
  uint32_t n_reducers, reserved;
} TenonKernelDesc;

typedef struct TenonOperand {
  TenonBuffer buffer;
  uint64_t offset; /* bytes */
  uint32_t dtype, flags;
  int64_t strides[TENON_ABI_MAX_RANK]; /* elements, may be negative or 0; entries past the rank
                                          unread */
} TenonOperand;                        /* frozen */

enum {
  TENON_LAUNCH_MAY_ALIAS =
      1u /* an output is exactly one input (buffer, offset, strides, item size) */
};

/* All operands share `sizes`; a reduced axis has stride 0 in every output. Outputs never overlap
 * each other and never partly overlap an input. Sizes are positive: core handles empty work itself.
 * Arrays are filled up to `rank`; index_* are filled only for programs that contain INDEX. */
typedef struct TenonLaunch {
  uint32_t size, flags;
  uint32_t rank, reduce_axes; /* bit d set: axis d is reduced; 0 for map kernels */
  uint32_t n_operands, n_scalars;
  const TenonOperand* operands; /* inputs, then outputs */
  const uint64_t* scalars;
  int64_t sizes[TENON_ABI_MAX_RANK];
  int64_t index_base;
  int64_t index_strides[TENON_ABI_MAX_RANK];
} TenonLaunch;

/* ---- typed entries -----------------------------------------------------------------------------
 */

typedef struct TenonTensor {
  TenonBuffer buffer;
  uint64_t offset; /* bytes */
  uint32_t dtype, rank;
  int64_t sizes[TENON_ABI_MAX_RANK];
  int64_t strides[TENON_ABI_MAX_RANK];
  uint64_t reserved;
} TenonTensor; /* frozen */

enum {
  TENON_CALL_DRY_RUN = 1u,      /* validate, fill workspace_bytes, enqueue nothing */
  TENON_CALL_DETERMINISTIC = 2u /* the same bits every time, or UNSUPPORTED */
};
typedef struct TenonCall {
  uint32_t size, flags;
  TenonBuffer workspace;
  uint64_t workspace_offset, workspace_bytes;
} TenonCall;

enum { TENON_EPILOGUE_NONE = 0, TENON_EPILOGUE_RELU = 1 };

/* c = epilogue(alpha * a @ b + beta * c + bias) with sizes [batch..., m, k] @ [batch..., k, n]; all
 * of one rank (2 to 8), batch axes of a and b broadcast by stride 0, any strides. bias (buffer 0:
 * none) has the sizes of c. One dtype throughout; f16 and bf16 accumulate in f32. */
typedef struct TenonMatmulArgs {
  uint32_t size, flags;
  TenonTensor a, b, c, bias;
  uint32_t epilogue, reserved;
  double alpha, beta;
} TenonMatmulArgs;

/* gather: dst[i.., j, k..] = src[i.., index[j'], k..] along `axis`, where
 *   TENON_INDEX_ROWS:  index has rank 1; dst's size along axis is the index's
 *   TENON_INDEX_ALONG: index has dst's sizes (take_along_axis)
 * scatter: the reverse: dst[i.., index[j'], k..] = or += src[i.., j, k..]; elements not named keep
 * their value. Several sources for one element: ADD adds all in a fixed order; ASSIGN leaves the
 * last. index is i32 or i64; -n <= i < n, negative counts from the end. If an index is out of range
 * it is clamped, and 1 + its position (row-major in `index`) is written as i64 at out_of_range;
 * core zeroes it first. */
enum { TENON_INDEX_ROWS = 0, TENON_INDEX_ALONG = 1 };
enum { TENON_SCATTER_ASSIGN = 0, TENON_SCATTER_ADD = 1 };
typedef struct TenonIndexArgs {
  uint32_t size, flags;
  TenonTensor src, index, dst;
  uint32_t axis, mode, combine, reserved;
  TenonBuffer out_of_range; /* 8 bytes on the device; never 0 */
  uint64_t out_of_range_offset;
} TenonIndexArgs;

/* ---- fused entries -----------------------------------------------------------------------------
 * What several kernels could compute, in one pass. Where an entry is missing or answers UNSUPPORTED
 * core composes the result from kernels; nothing goes to the host.
 *
 * Rows lie along the last axis. All tensors of a call have one rank (1 to 8), the sizes of `x`, any
 * strides (inputs: 0 too) and one floating dtype, unless said otherwise; f16 and bf16 compute in
 * f32 and round once. A statistic has size 1 along the last axis. Outputs overlap nothing. */

/* s = the greatest element of the row, 0 where that is infinite; e = exp(x - s).
 * y = e / sum(e); with `log`: x - s - log(sum(e)). */
typedef struct TenonSoftmaxArgs {
  uint32_t size, flags;
  TenonTensor x, y;
  uint32_t log, reserved;
} TenonSoftmaxArgs;

/* dx = y * (g - sum(g * y)); with `log`: g - exp(y) * sum(g). */
typedef struct TenonSoftmaxBackwardArgs {
  uint32_t size, flags;
  TenonTensor y, g, dx;
  uint32_t log, reserved;
} TenonSoftmaxBackwardArgs;

/* shift = s and exp_sum = sum(e) as for softmax, both statistics. `target` (i32 or i64, the sizes
 * of a statistic) is a class number: loss (a statistic) = log(exp_sum) - (x[target] - shift), and
 * just log(exp_sum) where the row has no such class. */
typedef struct TenonCrossEntropyArgs {
  uint32_t size, flags;
  TenonTensor x, target, loss, shift, exp_sum;
} TenonCrossEntropyArgs;

/* y = (x - mean) * rstd * weight + bias, rstd = 1 / sqrt(mean((x - mean)^2) + eps). The statistics
 * mean and rstd are f32 for f16 and bf16, else of x's dtype. weight and bias (buffer 0: none) have
 * stride 0 but along the last axis. */
typedef struct TenonLayerNormArgs {
  uint32_t size, flags;
  TenonTensor x, weight, bias, y, mean, rstd;
  double eps;
} TenonLayerNormArgs;

/* h = g * weight, n = (x - mean) * rstd: dx = rstd * (h - mean(h) - n * mean(h * n)). */
typedef struct TenonLayerNormBackwardArgs {
  uint32_t size, flags;
  TenonTensor x, weight, mean, rstd, g, dx;
} TenonLayerNormBackwardArgs;

/* ---- devices -----------------------------------------------------------------------------------
 */

enum {
  /* A buffer handle *is* a host address: host code may read and write it whenever the device is
   * idle, and core may make handles from addresses it owns. Such a device is synchronous. */
  TENON_DEVICE_HOST_ADDRESSABLE = 1u
};
typedef struct TenonDeviceProps {
  uint32_t size, flags;
  uint64_t total_bytes;                           /* 0: unknown */
  uint32_t min_alignment;                         /* of mem_alloc; a power of two */
  uint32_t max_operands, max_instrs, max_scalars; /* per program; at least 8, 32, 4 (checked) */
  uint64_t storage_dtypes;                        /* masks of TENON_DTYPE_BIT */
  uint64_t compute_dtypes;
  uint64_t opcodes[4]; /* bit `number`; a hint for planning: kernel_create's answer decides */
  uint32_t dlpack_type, dlpack_id;
  char name[128]; /* for people: "AMD EPYC 9354" */
  char uuid[48];
} TenonDeviceProps;

/* ---- tables ------------------------------------------------------------------------------------
 */

/* What core offers a plugin. Callable from any thread until the process ends. */
typedef struct TenonHost {
  uint32_t size, abi_major, abi_minor, flags;
  void* ctx;
  void (*log)(void* ctx, int32_t level,
              const char* message) TENON_NOEXCEPT; /* 0 debug .. 3 error */
  void* (*host_alloc)(void* ctx, uint64_t bytes,
                      uint64_t align)TENON_NOEXCEPT; /* NULL: none left */
  void (*host_free)(void* ctx, void* p) TENON_NOEXCEPT;
  /* Calls fn(arg, begin, end) over a partition of [0, n) whose pieces start at multiples of grain
   * and (the last apart) hold a multiple of grain. Returns when all are done. Nested calls run
   * inline. */
  void (*parallel_for)(void* ctx, int64_t n, int64_t grain,
                       void (*fn)(void* arg, int64_t begin, int64_t end), void* arg) TENON_NOEXCEPT;
  int32_t (*num_threads)(void* ctx) TENON_NOEXCEPT;
  const char* (*option)(void* ctx, const char* key)TENON_NOEXCEPT; /* TENON_<KEY>, NULL if unset */
} TenonHost;

/* Required: 1 to 9 for memory, 10 to 12 for compute (NULL makes a device that only stores). The
 * copies and launches are ordered by their stream; without the streams group they complete before
 * returning. */
typedef struct TenonCoreOps {
  uint32_t size, reserved;
  /* Enumerates; creates no context and no thread; 0 devices is a fine answer (say why in the
   * message). */
  TenonStatus (*device_count)(uint32_t* count, TenonError*) TENON_NOEXCEPT;
  TenonStatus (*device_props)(uint32_t index, TenonDeviceProps* props, TenonError*) TENON_NOEXCEPT;
  TenonStatus (*device_open)(uint32_t index, TenonDevice* device, TenonError*) TENON_NOEXCEPT;
  void (*device_close)(TenonDevice) TENON_NOEXCEPT;
  /* Raw, uncached memory; bytes > 0; aligned to max(64, min_alignment). */
  TenonStatus (*mem_alloc)(TenonDevice, uint64_t bytes, TenonBuffer* buffer,
                           TenonError*) TENON_NOEXCEPT;
  void (*mem_free)(TenonDevice, TenonBuffer) TENON_NOEXCEPT;
  /* Host memory stays alive and unchanged until the copy completes. */
  TenonStatus (*copy_h2d)(TenonDevice, TenonStream, TenonBuffer dst, uint64_t dst_offset,
                          const void* src, uint64_t bytes, TenonError*) TENON_NOEXCEPT;
  TenonStatus (*copy_d2h)(TenonDevice, TenonStream, void* dst, TenonBuffer src, uint64_t src_offset,
                          uint64_t bytes, TenonError*) TENON_NOEXCEPT;
  /* The two ranges do not overlap. */
  TenonStatus (*copy_d2d)(TenonDevice, TenonStream, TenonBuffer dst, uint64_t dst_offset,
                          TenonBuffer src, uint64_t src_offset, uint64_t bytes,
                          TenonError*) TENON_NOEXCEPT;
  /* Success of kernel_create *is* the answer to "do you support this program?". */
  TenonStatus (*kernel_create)(TenonDevice, const TenonKernelDesc*, TenonKernel* kernel,
                               TenonError*) TENON_NOEXCEPT;
  void (*kernel_destroy)(TenonDevice, TenonKernel) TENON_NOEXCEPT;
  TenonStatus (*kernel_launch)(TenonDevice, TenonStream, TenonKernel, const TenonLaunch*,
                               TenonError*) TENON_NOEXCEPT;
} TenonCoreOps;

/* The first ten all or none. An error of asynchronous work makes its stream sticky: the next sync,
 * query or launch on it reports it; a sync that reported it clears it, unless the device is lost.
 */
typedef struct TenonStreamOps {
  uint32_t size, reserved;
  TenonStatus (*stream_create)(TenonDevice, int32_t priority, TenonStream* stream,
                               TenonError*) TENON_NOEXCEPT;
  void (*stream_destroy)(TenonDevice, TenonStream) TENON_NOEXCEPT;
  TenonStatus (*stream_sync)(TenonDevice, TenonStream, TenonError*) TENON_NOEXCEPT;
  TenonStatus (*stream_query)(TenonDevice, TenonStream, TenonError*) TENON_NOEXCEPT;
  TenonStatus (*event_create)(TenonDevice, TenonEvent* event, TenonError*) TENON_NOEXCEPT;
  void (*event_destroy)(TenonDevice, TenonEvent) TENON_NOEXCEPT;
  TenonStatus (*event_record)(TenonDevice, TenonStream, TenonEvent, TenonError*) TENON_NOEXCEPT;
  TenonStatus (*event_wait)(TenonDevice, TenonStream, TenonEvent, TenonError*) TENON_NOEXCEPT;
  TenonStatus (*event_sync)(TenonDevice, TenonEvent, TenonError*) TENON_NOEXCEPT;
  TenonStatus (*event_query)(TenonDevice, TenonEvent, TenonError*) TENON_NOEXCEPT;
  /* Each may be NULL. `native` is what the device's own API calls a stream (CUDA: a CUstream, with
   * 1 and 2; OpenCL: a cl_command_queue), and never NULL. An imported stream stays its owner's:
   * stream_destroy only forgets it. */
  TenonStatus (*stream_import)(TenonDevice, void* native, TenonStream* stream,
                               TenonError*) TENON_NOEXCEPT;
  /* Of any stream, 0 too; good as long as the stream. */
  TenonStatus (*stream_native)(TenonDevice, TenonStream, void** native, TenonError*) TENON_NOEXCEPT;
} TenonStreamOps;

/* Each may be NULL. */
typedef struct TenonMemOps {
  uint32_t size, reserved;
  TenonStatus (*mem_info)(TenonDevice, uint64_t* free_bytes, uint64_t* total_bytes,
                          TenonError*) TENON_NOEXCEPT;
  /* Host memory, aligned to 64, that copies of this device's backend reach without staging: with
   * it copy_h2d and copy_d2h overlap with the host's work. Both or none. */
  TenonStatus (*pinned_alloc)(TenonDevice, uint64_t bytes, void** memory,
                              TenonError*) TENON_NOEXCEPT;
  void (*pinned_free)(TenonDevice, void* memory) TENON_NOEXCEPT;
  /* From another device of this backend, ordered by the stream of the destination's device. Core
   * has waited for the work that writes `src`. */
  TenonStatus (*copy_peer)(TenonDevice, TenonStream, TenonBuffer dst, uint64_t dst_offset,
                           TenonDevice src_device, TenonBuffer src, uint64_t src_offset,
                           uint64_t bytes, TenonError*) TENON_NOEXCEPT;
  /* Memory shared with other libraries, named as DLPack does: by what the device's own API calls it
   * and an offset in bytes. An address (CUDA) takes the offset in; beside a handle (OpenCL: a
   * cl_mem) it stays. So it is the backend that adds, or not.
   *
   * Bytes [offset, offset + bytes) of `memory`, bytes > 0, become those of a buffer from
   * *buffer_offset on. INVALID_ARGUMENT where they are not this device's. mem_free only forgets
   * them, and comes before their owner frees them. A buffer of this device may be imported, too,
   * and any memory several times: each time is freed once. */
  TenonStatus (*mem_import)(TenonDevice, void* memory, int64_t offset, uint64_t bytes,
                            TenonBuffer* buffer, uint64_t* buffer_offset,
                            TenonError*) TENON_NOEXCEPT;
  /* Names byte `buffer_offset` of a buffer: good as long as the buffer. */
  TenonStatus (*mem_export)(TenonDevice, TenonBuffer, uint64_t buffer_offset, void** memory,
                            uint64_t* offset, TenonError*) TENON_NOEXCEPT;
} TenonMemOps;

/* Each may be NULL and may answer UNSUPPORTED. */
typedef struct TenonTensorOps {
  uint32_t size, reserved;
  TenonStatus (*matmul)(TenonDevice, TenonStream, const TenonMatmulArgs*, TenonCall*,
                        TenonError*) TENON_NOEXCEPT;
  TenonStatus (*gather)(TenonDevice, TenonStream, const TenonIndexArgs*, TenonCall*,
                        TenonError*) TENON_NOEXCEPT;
  TenonStatus (*scatter)(TenonDevice, TenonStream, const TenonIndexArgs*, TenonCall*,
                         TenonError*) TENON_NOEXCEPT;
} TenonTensorOps;

/* Each may be NULL and may answer UNSUPPORTED. */
typedef struct TenonFusedOps {
  uint32_t size, reserved;
  /* As kernel_launch for each of n > 0 launches of one map kernel, in any order: no output of one
   * overlaps an operand of another. What optimizers use: all parameters in one launch. */
  TenonStatus (*launch_list)(TenonDevice, TenonStream, TenonKernel, const TenonLaunch* launches,
                             uint32_t n, TenonError*) TENON_NOEXCEPT;
  TenonStatus (*softmax)(TenonDevice, TenonStream, const TenonSoftmaxArgs*, TenonCall*,
                         TenonError*) TENON_NOEXCEPT;
  TenonStatus (*softmax_backward)(TenonDevice, TenonStream, const TenonSoftmaxBackwardArgs*,
                                  TenonCall*, TenonError*) TENON_NOEXCEPT;
  TenonStatus (*cross_entropy)(TenonDevice, TenonStream, const TenonCrossEntropyArgs*, TenonCall*,
                               TenonError*) TENON_NOEXCEPT;
  TenonStatus (*layer_norm)(TenonDevice, TenonStream, const TenonLayerNormArgs*, TenonCall*,
                            TenonError*) TENON_NOEXCEPT;
  TenonStatus (*layer_norm_backward)(TenonDevice, TenonStream, const TenonLayerNormBackwardArgs*,
                                     TenonCall*, TenonError*) TENON_NOEXCEPT;
} TenonFusedOps;

enum {
  TENON_BACKEND_SERIALIZE_CALLS = 1u, /* core takes one mutex per device around every call */
  TENON_BACKEND_FORK_SAFE = 2u        /* an open device still works in a forked child */
};
typedef struct TenonBackend {
  uint32_t size, abi_major, abi_minor, flags;
  const char* name; /* [a-z0-9_]{1,31}; equals <name> of the file */
  const char* vendor;
  const char* version;
  const TenonCoreOps* core;
  const TenonStreamOps* streams;
  const TenonMemOps* memory;
  const TenonTensorOps* tensor;
  const TenonFusedOps* fused;
  const void* (*query_extension)(const char* name,
                                 uint32_t version)TENON_NOEXCEPT; /* "tenon.test" .. */
  void (*shutdown)(void) TENON_NOEXCEPT; /* only on tenon::shutdown(), never at exit */
} TenonBackend;

/* Called at least once, from any thread, perhaps by a second copy of libtenon: with the same host
 * pointer it is idempotent, with another one it answers FAILED_PRECONDITION and keeps the first. */
typedef TenonStatus (*TenonEntryFn)(const TenonHost* host, const TenonBackend** out,
                                    TenonError* error);

/* Extension "tenon.test" version 1: faults on demand, for tests. NULL functions are fine. */
typedef struct TenonTestOps {
  uint32_t size, reserved;
  void (*fail_alloc_after)(TenonDevice, int64_t n)
      TENON_NOEXCEPT; /* the n-th next mem_alloc, once; n < 1: none */
  void (*fail_launch_after)(TenonDevice, int64_t n,
                            int32_t code) TENON_NOEXCEPT;               /* late, on its stream */
  void (*set_memory_limit)(TenonDevice, uint64_t bytes) TENON_NOEXCEPT; /* 0: none */
  void (*counters)(TenonDevice, uint64_t* launches, uint64_t* copies,
                   uint64_t* live_buffers) TENON_NOEXCEPT;
} TenonTestOps;

/* 1 if every byte of the struct at `s` past the `known` ones is zero. */
static inline int tenon_struct_ok(const void* s, uint32_t known) {
  const uint8_t* bytes = (const uint8_t*)s;
  uint32_t n = *(const uint32_t*)s, i;
  for (i = known; i < n; ++i) {
    if (bytes[i]) return 0;
  }
  return 1;
}

#ifdef __cplusplus
} /* extern "C" */
#endif
#endif /* TENON_BACKEND_H_ */
