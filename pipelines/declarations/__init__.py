"""What sources and problems may say, read with line numbers and refused with a sentence.

It reads declarations and never data, and touches no network. Its modules are public: import from them.
"""
