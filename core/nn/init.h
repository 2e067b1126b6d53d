// Initialisers: random starting values, written into a tensor that exists.
//
//   nn::init::kaiming_uniform_(layer.weight);
//   nn::init::zeros_(layer.bias);
//
// They write without recording, so parameters are fine. The values depend on the generator's state
// and the shape alone: not on device, layout or number of threads. "fan": of a tensor [out, in,
// ..rest], in * rest inputs reach an output (fan in) and out * rest outputs use an input (fan out).
// Errors: kShape for fewer than two axes where fans are needed; kDType for a tensor that is not
// floating.
#ifndef TENON_NN_INIT_H_
#define TENON_NN_INIT_H_

#include "tenon/ops/random.h"
#include "tenon/tensor/tensor.h"

namespace tenon::nn::init {

void uniform_(Tensor& t, double low = 0, double high = 1,
              Generator& generator = default_generator());
void normal_(Tensor& t, double mean = 0, double stddev = 1,
             Generator& generator = default_generator());
void constant_(Tensor& t, double value);
inline void zeros_(Tensor& t) { constant_(t, 0); }
inline void ones_(Tensor& t) { constant_(t, 1); }

// What a nonlinearity does to the standard deviation: sqrt(2) for relu, 1 for a linear layer.
inline constexpr double kReluGain = 1.4142135623730951;

// Keeps the variance of activations: standard deviation gain / sqrt(fan in), uniform or normal.
// He et al. 2015, "Delving Deep into Rectifiers".
void kaiming_uniform_(Tensor& t, double gain = kReluGain,
                      Generator& generator = default_generator());
void kaiming_normal_(Tensor& t, double gain = kReluGain,
                     Generator& generator = default_generator());

// Between activations and gradients: standard deviation gain * sqrt(2 / (fan in + fan out)).
// Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward neural
// networks".
void xavier_uniform_(Tensor& t, double gain = 1, Generator& generator = default_generator());
void xavier_normal_(Tensor& t, double gain = 1, Generator& generator = default_generator());

}  // namespace tenon::nn::init

#endif  // TENON_NN_INIT_H_
