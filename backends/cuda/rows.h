// softmax, cross entropy and layer norm, each in one launch (rows.cuh). They need no workspace and
// give the same bits every time. UNSUPPORTED: other dtypes than floats, and a few very long rows.
#ifndef TENON_BACKENDS_CUDA_ROWS_H_
#define TENON_BACKENDS_CUDA_ROWS_H_

#include "tenon/abi/tenon_backend.h"

namespace tenon_cuda {

TenonStatus Softmax(TenonDevice, TenonStream, const TenonSoftmaxArgs*, TenonCall*,
                    TenonError*) noexcept;
TenonStatus SoftmaxBackward(TenonDevice, TenonStream, const TenonSoftmaxBackwardArgs*, TenonCall*,
                            TenonError*) noexcept;
TenonStatus CrossEntropy(TenonDevice, TenonStream, const TenonCrossEntropyArgs*, TenonCall*,
                         TenonError*) noexcept;
TenonStatus LayerNorm(TenonDevice, TenonStream, const TenonLayerNormArgs*, TenonCall*,
                      TenonError*) noexcept;
TenonStatus LayerNormBackward(TenonDevice, TenonStream, const TenonLayerNormBackwardArgs*,
                              TenonCall*, TenonError*) noexcept;

}  // namespace tenon_cuda

#endif  // TENON_BACKENDS_CUDA_ROWS_H_
