"""The form that a note is written in."""

from django import forms
from django.core.exceptions import ValidationError

from .models import PICTURES, Note

LIMIT = 5 * 1024 * 1024


class NoteForm(forms.ModelForm):
    """A text, and if one likes a name and a picture."""

    class Meta:
        model = Note
        fields = ["text", "name", "picture"]
        widgets = {
            "text": forms.Textarea(attrs={"rows": 3}),
            "picture": forms.FileInput(attrs={"accept": "image/*"}),
        }

    def clean_picture(self):
        """What a picture is says its content and not its name."""
        picture = self.cleaned_data["picture"]
        if picture:
            if picture.size > LIMIT:
                raise ValidationError("A picture can have 5 MB at most.", code="large")
            if picture.image.format not in PICTURES:
                raise ValidationError("Send a GIF, JPEG, PNG or WebP picture.", code="kind")
        return picture
