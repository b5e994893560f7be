"""What a network is: its blocks, their forward pass in NumPy, and model files.

Papers that this package, `layers` and `learning` cite:

- K. Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical machine translation",
  EMNLP 2014.
- J. L. Elman, "Finding structure in time", Cognitive Science 14(2), 1990.
- H. Erdogan, J. R. Hershey, S. Watanabe, J. Le Roux, "Phase-sensitive and recognition-boosted speech separation using
  deep recurrent neural networks", ICASSP 2015.
- F. A. Gers, J. Schmidhuber, F. Cummins, "Learning to forget: continual prediction with LSTM", Neural Computation
  12(10), 2000.
- X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010.
- E. M. Grais, G. Roma, A. J. R. Simpson, M. D. Plumbley, "Two-stage single-channel audio source separation using deep
  neural networks", IEEE/ACM TASLP 25(9), 2017.
- P.-S. Huang, M. Kim, M. Hasegawa-Johnson, P. Smaragdis, "Singing-voice separation from monaural recordings using
  deep recurrent neural networks", ISMIR 2014.
- P.-S. Huang, M. Kim, M. Hasegawa-Johnson, P. Smaragdis, "Joint optimization of masks and deep recurrent neural
  networks for monaural source separation", IEEE/ACM TASLP 23(12), 2015.
- F.-R. Stöter, S. Uhlich, A. Liutkus, Y. Mitsufuji, "Open-Unmix - A reference implementation for music source
  separation", Journal of Open Source Software 4(41), 2019.
- S. Uhlich et al., "Improving music source separation based on deep neural networks through data augmentation and
  network blending", ICASSP 2017.
- F. Weninger, J. R. Hershey, J. Le Roux, B. Schuller, "Discriminatively trained recurrent neural networks for
  single-channel speech separation", GlobalSIP 2014.
"""
